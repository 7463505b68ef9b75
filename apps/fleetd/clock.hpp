// Time for the planner: milliseconds that pass only while fleetd listens. When the process was stopped, starved or
// suspended, the time it did not attend to is left out, so that no deadline passes for want of a listener (FAULTS A4).
#pragma once

#include <chrono>
#include <string>

namespace fleet {

class AttendedClock {
 public:
  using milliseconds = std::chrono::milliseconds;
  using Real = std::chrono::steady_clock;

  // Goes on from where a former fleetd's clock stood.
  explicit AttendedClock(milliseconds from, Real::time_point real = Real::now()) : now_(from), seen_(real) {}

  // To be called at least every kBeat: a longer gap counts as kBeat only.
  milliseconds now(Real::time_point real = Real::now()) {
    const auto gap = real - seen_;
    now_ += std::chrono::duration_cast<std::chrono::microseconds>(gap < kBeat + kSlack ? gap : kBeat);
    seen_ = real;
    return std::chrono::duration_cast<milliseconds>(now_);
  }

  static constexpr std::chrono::seconds kBeat{1};

 private:
  static constexpr std::chrono::milliseconds kSlack{250};
  std::chrono::microseconds now_;
  Real::time_point seen_;
};

// RFC 3339, UTC, milliseconds: "2026-11-22T23:31:10.123Z".
std::string wall_time(std::chrono::system_clock::time_point);
inline std::string wall_time() { return wall_time(std::chrono::system_clock::now()); }

}  // namespace fleet
