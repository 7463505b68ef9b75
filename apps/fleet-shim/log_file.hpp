// A log that is rotated by size and never stands in the way: what cannot be written is dropped and counted, and the
// count is written once writing works again. The file holds whole lines only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "os/fd.hpp"

namespace fleet::shim {

class LogFile {
 public:
  LogFile() = default;  // drops everything
  // `keep` older files stay beside it as path.1 (the newest), path.2, ...
  LogFile(std::string path, std::uint64_t max_bytes, std::uint32_t keep);

  // Whole lines, each ended.
  void write(std::string_view lines);

 private:
  bool ready();
  bool rotate();
  bool report_dropped();
  std::string_view fitting(std::string_view lines) const;
  std::size_t append(std::string_view lines);
  void drop(std::string_view lines);

  std::string path_;
  std::uint64_t max_bytes_ = 0, size_ = 0;
  std::uint32_t keep_ = 0;
  os::Fd file_;
  std::uint64_t dropped_ = 0;  // lines
  int error_ = 0;              // why
};

}  // namespace fleet::shim
