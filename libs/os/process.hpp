// Processes: starting one, knowing it again, signalling it, learning how it ended. A process is identified by pid and
// start time (and boot id, across reboots) and held as a pidfd, never by a bare pid, so that no stranger who got the
// same number is ever taken for ours.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/confinement.hpp"
#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::os {

struct Spawn {
  std::vector<std::string> argv;    // argv[0] with a '/': relative to cwd; without: found in env's PATH
  std::vector<std::string> env;     // "K=V", complete: nothing is inherited
  std::string cwd;                  // empty: ours
  std::vector<int> fds;             // become 3, 4, ...; all others are closed. Borrowed
  int in = -1, out = -1, err = -1;  // -1: /dev/null. Borrowed
  bool new_session = true;
  int parent_death_signal = 0;  // 0: none
  Confinement confined;
};

struct Process {
  pid_t pid = 0;
  Fd pidfd;                      // readable once the process has ended
  std::uint64_t start_time = 0;  // clock ticks after boot (proc(5), stat field 22)
};

// Returns once the program is executing: a failure to get there is an error that says which step failed, "cannot start
// ./bin/server: no such file or directory", and leaves no process behind. The program begins with default signal
// dispositions and an empty signal mask. The caller reaps it.
Result<Process> spawn(const Spawn&);

// 0 when there is no such process.
std::uint64_t start_time_of(pid_t);

// Of this boot; empty if the kernel does not say.
const std::string& boot_id();

// Errors: not_found when that process is gone, whoever may have its pid now.
Result<Fd> open_pidfd(pid_t, std::uint64_t start_time);

// Errors: not_found when it has ended and was reaped.
Result<> signal(const Fd& pidfd, int signal_number);

struct ExitStatus {
  int code = 0;    // its exit code, or 128 + signal
  int signal = 0;  // that ended it; 0: it exited by itself
  std::uint64_t max_rss_kib = 0;
  std::chrono::milliseconds cpu_time{0};  // user + system
};

// Takes the exit status of a child if it has ended; nothing while it runs. Never blocks. Once only: after the status
// was taken it is an error.
Result<std::optional<ExitStatus>> reap(const Fd& pidfd);

// The same for whichever child of this process has ended, adopted ones too (a subreaper's duty); nothing when none has.
struct Ended {
  pid_t pid = 0;
  ExitStatus status;
};
std::optional<Ended> reap_any();

// Whether this process has children, ended or not. A subreaper that has none has no descendants.
bool has_children();

}  // namespace fleet::os
