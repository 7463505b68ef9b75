// Whether something that fleetd needs keeps failing, for operators: on with the first failure, off when it has worked
// again and nothing has failed for a while, so that what works now and then is told once. Pure: no clock, no I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fleet {

class Alarm {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Change : std::uint8_t { none, raised, cleared };

  static constexpr auto kQuiet = std::chrono::seconds(3);

  Change failed(const std::string& why, Time now) {
    last_failure_ = now;
    if (!why_.empty()) return Change::none;
    why_ = why.empty() ? "unknown" : why;
    return Change::raised;
  }
  Change worked(Time now) {
    if (why_.empty() || now - last_failure_ < kQuiet) return Change::none;
    why_.clear();
    return Change::cleared;
  }

  bool is_on() const { return !why_.empty(); }
  const std::string& why() const { return why_; }  // of the first failure; empty: it is off

 private:
  std::string why_;
  Time last_failure_{};
};

}  // namespace fleet
