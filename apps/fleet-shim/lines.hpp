// A program's output, cut into lines of the log.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace fleet::shim {

// Cuts one stream into lines. A longer line is cut into pieces of kMaxLine, each a line of its own.
class LineCutter {
 public:
  static constexpr std::size_t kMaxLine = 16u << 10;  // bytes

  // Calls each(line), without its end, for every line that is complete.
  template <class F>
  void feed(std::string_view bytes, F&& each) {
    while (!bytes.empty()) {
      const std::string_view room = bytes.substr(0, kMaxLine - partial_.size());
      const std::size_t end = room.find('\n');
      const bool whole = end != room.npos || partial_.size() + room.size() == kMaxLine;
      const std::string_view part = room.substr(0, end);
      bytes.remove_prefix(end == room.npos ? part.size() : part.size() + 1);
      if (!whole) {
        partial_.append(part);
      } else if (partial_.empty()) {
        take(part, end == room.npos, each);
      } else {
        partial_.append(part);
        const std::string line = std::move(partial_);
        partial_.clear();
        take(line, end == room.npos, each);
      }
    }
  }

  // What is left of the last line, at the end of the stream.
  template <class F>
  void finish(F&& each) {
    if (!partial_.empty()) each(std::string_view(partial_));
    partial_ = {};
  }

 private:
  // The end of a line that was cut exactly there is not an empty line of its own.
  template <class F>
  void take(std::string_view line, bool cut, F&& each) {
    if (!line.empty() || !was_cut_) each(line);
    was_cut_ = cut;
  }

  std::string partial_;
  bool was_cut_ = false;
};

// "2026-11-22T23:46:53.123456Z"
std::string timestamp(std::chrono::system_clock::time_point);

}  // namespace fleet::shim
