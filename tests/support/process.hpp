// Programs that a test starts, and what can be seen of any process from outside.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "os/process.hpp"
#include "support/eventually.hpp"

namespace fleet::test {

using std::chrono::milliseconds;
using Environment = std::map<std::string, std::string>;  // in addition to the test's own

// Killed at the latest with this value.
class Program {
 public:
  // stdout and stderr are appended to these files; empty: discarded. Throws std::runtime_error if it cannot start.
  Program(std::vector<std::string> argv, const Environment& more, const std::string& out, const std::string& err);
  Program(Program&&) = default;
  ~Program();

  pid_t pid() const { return process_.pid; }
  void signal(int number);
  // Its exit code, or 128 + signal; nothing if it still runs then.
  std::optional<int> wait(milliseconds limit);
  bool running() { return !wait(milliseconds(0)); }

 private:
  os::Process process_;
  std::optional<int> code_;
};

struct Ran {
  int code = 0;  // 128 + signal; -1: killed at the limit
  std::string out, err;
  milliseconds took{0};
};
Ran run(std::vector<std::string> argv, const Environment& more = {}, milliseconds limit = milliseconds(60000));

std::string read_whole(const std::string& path);  // empty if it is not there
void write_whole(const std::string& path, std::string_view text);

// From /proc; 0 when there is no such process.
std::uint64_t rss_kib(pid_t);
std::uint64_t pss_kib(pid_t);
milliseconds cpu_time(pid_t);  // of its first thread, exact: what timers wake is not seen rightly by ticks (stat)
std::string command_line(pid_t);

void pause_for(milliseconds);

}  // namespace fleet::test
