// Whole lines of files that grow, and how far somebody has read in them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace fleet {

struct LogFile {
  std::string path;
  std::uint64_t size = 0, inode = 0;
};

// Nothing if it is no file.
std::optional<LogFile> look_at(std::string path);

// At most 1 MiB of one file: what follows comes when it is asked for from `end`.
struct LinesRead {
  std::vector<std::string> lines;
  std::uint64_t end = 0;  // of the last line
  bool from_start = true, to_end = true;  // of the file
};
LinesRead lines_from(const LogFile& file, std::uint64_t from);
LinesRead lines_at_end(const LogFile& file, std::size_t at_most);

// How far a file was read; the inode tells whether another has its name since.
struct Place {
  std::uint64_t offset = 0, inode = 0;
};
using Places = std::map<std::uint64_t, Place>;  // by whatever number a file has for its reader

// As text for clients, to whom it means nothing: never empty. Errors: usage.
std::string write_cursor(const Places& places);
Result<Places> read_cursor(std::string_view text);

std::optional<std::uint64_t> to_number(std::string_view text);

}  // namespace fleet
