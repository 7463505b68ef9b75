#include "lifecycle.hpp"

#include <algorithm>

namespace fleet::shim {
namespace {

constexpr std::uint32_t kLastSignal = 64;
constexpr milliseconds kLongestGrace = std::chrono::hours(24 * 7);
// Descendants may fork while they are being killed: again until none is left, and ever more rarely, for a process that
// the kernel cannot end.
constexpr milliseconds kKillAgain{50}, kKillSeldom{1000};
// Nor may such a process keep the exit status from being known.
constexpr milliseconds kKillAtMost{5000};

}  // namespace

Actions Lifecycle::launched(Time now, milliseconds time_limit) {
  phase_ = Phase::running;
  deadline_.reset();
  if (time_limit.count() > 0) deadline_ = now + time_limit;
  return {.announce = true};
}

Actions Lifecycle::launch_failed() {
  phase_ = Phase::done;
  deadline_.reset();
  return {.announce = true};
}

Actions Lifecycle::stop(std::uint32_t signal, milliseconds grace, Time now) {
  if (phase_ != Phase::running) return {};
  last_signal_ = signal >= 1 && signal <= kLastSignal ? signal : 15;
  last_grace_ = std::clamp(grace, milliseconds(0), kLongestGrace);
  stopping_ = true;
  deadline_ = std::min(deadline_.value_or(Time::max()), now + last_grace_);
  return {.signal = static_cast<int>(last_signal_), .announce = true};
}

Actions Lifecycle::terminate(Time now) {
  leave_when_done_ = true;
  switch (phase_) {
    case Phase::empty:
    case Phase::done: return {.leave = true};
    case Phase::running: return stop(last_signal_, last_grace_, now);
    case Phase::clearing: return {};
  }
  return {};
}

Actions Lifecycle::ended(Time now) {
  if (phase_ != Phase::running) return {};
  phase_ = Phase::clearing;
  give_up_ = now + kKillAtMost;
  kill_again_ = kKillAgain;
  return kill(now);
}

Actions Lifecycle::cleared() {
  if (phase_ != Phase::clearing) return {};
  phase_ = Phase::done;
  deadline_.reset();
  return {.announce = true, .leave = leave_when_done_};
}

Actions Lifecycle::dismiss() { return {.leave = phase_ == Phase::done || phase_ == Phase::empty}; }

Actions Lifecycle::tick(Time now) {
  if (!deadline_ || now < *deadline_) return {};
  switch (phase_) {
    case Phase::empty: return {.leave = true};
    case Phase::running:
      timed_out_ = !stopping_;
      return kill(now);
    case Phase::clearing: return now < give_up_ ? kill(now) : cleared();
    case Phase::done: return {};
  }
  return {};
}

Actions Lifecycle::kill(Time now) {
  deadline_ = now + kill_again_;
  kill_again_ = std::min(kill_again_ * 2, kKillSeldom);
  return {.kill_tree = true};
}

}  // namespace fleet::shim
