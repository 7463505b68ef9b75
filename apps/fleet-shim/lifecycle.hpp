// What a shim does next: one program's life from "nothing to start yet" to "may be forgotten", as decisions without
// I/O. The caller performs the Actions, and calls tick() at wake_at().
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace fleet::shim {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::milliseconds;

enum class Phase : std::uint8_t {
  empty,     // nothing was launched yet
  running,   // the program runs
  clearing,  // the program has ended; what it started is being killed
  done,      // nothing of it is left, or it could not be started
};

struct Actions {
  int signal = 0;          // to the program
  bool kill_tree = false;  // SIGKILL to the program and all its descendants; call cleared() when none is left
  bool announce = false;   // the status changed
  bool leave = false;      // the shim is no longer needed
};

class Lifecycle {
 public:
  Lifecycle(Time now, milliseconds launch_within) : deadline_(now + launch_within) {}

  Actions launched(Time now = {}, milliseconds time_limit = {});  // 0: none
  Actions launch_failed();
  Actions stop(std::uint32_t signal, milliseconds grace, Time now);
  Actions terminate(Time now);  // SIGTERM to the shim
  Actions ended(Time now);      // the program's exit status was taken
  Actions cleared();
  Actions dismiss();
  Actions tick(Time now);

  Phase phase() const { return phase_; }
  bool stopping() const { return stopping_; }
  bool timed_out() const { return timed_out_; }  // killed as the time limit was over
  std::optional<Time> wake_at() const { return deadline_; }

 private:
  Actions kill(Time now);

  Phase phase_ = Phase::empty;
  // empty: until something must be launched; running: until the tree is killed (again); clearing: until the next try.
  std::optional<Time> deadline_;
  Time give_up_{};
  milliseconds kill_again_{50};  // to wait until the next try
  std::uint32_t last_signal_ = 15;
  milliseconds last_grace_{10000};
  bool stopping_ = false, leave_when_done_ = false, timed_out_ = false;
};

}  // namespace fleet::shim
