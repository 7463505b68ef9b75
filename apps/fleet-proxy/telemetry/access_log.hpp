// A line for each request, in the format that the app has chosen, into the app's log, whose descriptor came from fleetd.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/config.hpp"
#include "telemetry/log_writer.hpp"

namespace fleet::proxy {

struct AccessEntry {
  std::string_view app, target, upstream, client, user, method, host, path, protocol, tls, referer, user_agent, error;
  std::uint64_t release = 0, bytes_in = 0, bytes_out = 0;
  int status = 0;
  unsigned retries = 0;
  std::chrono::microseconds first_byte{-1};  // below 0: none came
  std::chrono::microseconds total{0}, held{0};
};

// The line with its newline, appended to `out`. Bytes from outside are escaped, and cut at 4 KiB a value: a line is
// always one line, and of its format.
void append_json(std::string& out, const AccessEntry& entry, std::chrono::system_clock::time_point now);
// As Apache's and nginx's "combined", with nginx's escapes.
void append_combined(std::string& out, const AccessEntry& entry, std::chrono::system_clock::time_point now);
// What stands in a log where lines are missing.
std::string gap_line(AccessLog format, std::string_view app, std::uint64_t lost, std::chrono::system_clock::time_point now);

// One app's. Lines gather here until flush().
class AppLog {
 public:
  AppLog(std::string app, AccessLog format);
  void add(const AccessEntry& entry, LogWriter& writer);
  void flush(LogWriter& writer);
  void write_to(os::Fd fd, LogWriter& writer);  // from now on; what has gathered still goes to the former
  void set_format(AccessLog format) { file_.format = format; }

 private:
  LogFile file_;
  std::string lines_;
  std::uint32_t count_ = 0;
};
using AppLogPtr = std::shared_ptr<AppLog>;

// A worker's. The worker calls flush() each 100 ms.
class AccessLogs {
 public:
  // Lines of logs go nowhere until then.
  void write_with(std::shared_ptr<LogWriter> writer) { writer_ = std::move(writer); }

  // The log of an app; whoever holds it may go on to use it. Null for `off`.
  AppLogPtr of(const std::string& app, AccessLog format);
  void open(const std::string& app, os::Fd fd);
  // Drops those that nobody else holds.
  void forget_unused();

  void add(AppLog& log, const AccessEntry& entry);
  void flush();
  std::uint64_t lost() const { return writer_ ? writer_->lost() : 0; }
  // Waits until all is written, or `at_most`.
  void finish(std::chrono::milliseconds at_most);

 private:
  std::shared_ptr<LogWriter> writer_;
  std::map<std::string, AppLogPtr, std::less<>> logs_;
  bool waiting_ = false;
};

}  // namespace fleet::proxy
