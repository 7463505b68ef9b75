// Which entries of a stranger's archive may be written, and as what. Keeps what it has admitted, so that no entry can
// clash with, or pass through, an earlier one. No I/O; every refusal names the entry.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/result.hpp"

namespace fleet::fetch {

enum class EntryKind : std::uint8_t { file, folder, symlink, hardlink, special };

// As the archive says it.
struct Entry {
  std::string name;
  EntryKind kind = EntryKind::file;
  std::string link;  // target of a symlink or hardlink
  std::uint32_t mode = 0644;
};

// As it may be written.
struct Admitted {
  std::string path;                      // relative, normal: no empty, "." or ".." parts. Empty: the root itself
  std::vector<std::string> new_folders;  // parents to be made first, outermost first
  std::string link;                      // symlink: as given; hardlink: normal path of an admitted file
  bool is_known_folder = false;          // a folder that is there already
  std::uint32_t mode = 0;                // of a file, within 0755: no sticky, group or other write
};

struct Limits {
  std::uint64_t bytes = 0;
  std::uint32_t entries = 0, depth = 0, ratio = 0;
};

// An archive of a few bytes may well grow a thousandfold; below this many bytes the ratio is not looked at.
constexpr std::uint64_t kRatioFloor = 10u << 20;

class Policy {
 public:
  // `packed_bytes`: size of the archive, for the ratio.
  Policy(const Limits& limits, std::uint64_t packed_bytes) : limits_(limits), packed_bytes_(packed_bytes) {}

  Result<Admitted> admit(const Entry&);

  // `bytes` more come out of the archive; holes in files count.
  Result<> grow(std::string_view name, std::uint64_t bytes);

  std::uint32_t entries() const { return entries_; }  // folders that were only implied count
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Known {
    std::string path;
    EntryKind kind = EntryKind::file;
  };

  Result<> admit_parents(const Entry&, Admitted&);
  Result<> admit_itself(const Entry&, Admitted&);
  // What is known by this path already; null if it was not, and is from now on.
  Result<const Known*> remember(const Entry&, const std::string& path, EntryKind kind);
  Result<> check_symlink(const Entry&, const std::string& path) const;
  Result<std::string> check_hardlink(const Entry&) const;

  Limits limits_;
  std::uint64_t packed_bytes_;
  std::uint64_t bytes_ = 0;
  std::uint32_t entries_ = 0;
  std::unordered_map<std::string, Known> known_;  // by folded path
};

// Two names with the same folded form are one name on some file system, or to some reader: case and the ways Unicode
// has to compose a character are folded away.
std::string folded(std::string_view utf8);

}  // namespace fleet::fetch
