// One JSON object a line for each request, into the app's log, whose descriptor came with the table.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "os/fd.hpp"

namespace fleet::proxy {

struct AccessEntry {
  std::string_view app, target, upstream, client, method, host, path, tls, error;
  std::uint64_t release = 0, bytes_in = 0, bytes_out = 0;
  int status = 0;
  unsigned retries = 0;
  std::chrono::microseconds first_byte{-1};  // below 0: none came
  std::chrono::microseconds total{0};
};

// The line with its newline, appended to `out`. Bytes from outside are escaped, and cut at 4 KiB a value.
void append_line(std::string& out, const AccessEntry& entry, std::chrono::system_clock::time_point now);

// Lines gather and go out by flush(), which the worker calls each 100 ms, or at 64 KiB. A log that cannot be written
// loses lines, never time.
class AccessLogs {
 public:
  void replace(std::map<std::string, os::Fd, std::less<>> logs);
  void add(const AccessEntry& entry);
  void flush();
  bool empty() const { return waiting_ == 0; }
  std::uint64_t lost() const { return lost_; }

 private:
  struct Log {
    os::Fd fd;
    std::string lines;
  };
  void flush(Log& log);

  std::map<std::string, Log, std::less<>> logs_;
  std::size_t waiting_ = 0;  // bytes
  std::uint64_t lost_ = 0;   // lines
};

}  // namespace fleet::proxy
