// Writes to files on a thread of its own: a write to a file takes as long as the disk likes, for ever if it hangs, and
// no request shall wait for that. What cannot be written is lost, counted, and said in the log itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "core/config.hpp"
#include "os/fd.hpp"

namespace fleet::proxy {

// How much of one log is missing and not yet said there. Shared by its files, one after the other.
struct LogGap {
  std::uint64_t dropped = 0;  // lines that did not come to the thread; not for the thread to see
  std::uint64_t failed = 0;   // lines that the file did not take; this and the next are the thread's alone
  bool torn = false;          // the file ends within a line
};

// Where lines go: of one descriptor, which stays open until the last of them is written.
struct LogFile {
  std::string app;
  AccessLog format = AccessLog::json;
  std::shared_ptr<const os::Fd> fd;  // null: there is none yet
  std::shared_ptr<LogGap> gap = std::make_shared<LogGap>();
};

class LogWriter {
 public:
  LogWriter();   // starts the thread, which a sandbox may forbid later
  ~LogWriter();  // leaves it behind if it is stuck
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Whole lines, so many. Never waits; when too much waits already they are lost.
  void write(const LogFile& file, std::string text, std::uint32_t lines);
  // Empty, with room that a former text had, if there is any: memory that comes and goes costs more than the writing.
  std::string spare();
  std::uint64_t lost() const;
  // True when nothing waits any more; false after `at_most`.
  bool finish(std::chrono::milliseconds at_most);

  static constexpr std::size_t kMaxWaiting = 16u << 20;  // bytes

 private:
  struct State;
  static void run(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the thread
  std::thread thread_;
};

}  // namespace fleet::proxy
