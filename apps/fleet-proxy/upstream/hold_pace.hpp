// How fast requests that were held go on once there are targets. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace fleet::proxy {

// So many requests may be in flight on each ready target, `since` the first of those that were held was let go: few on
// a target that has just started, twice as many with each 100 ms, and in the end any number, so that all are let go
// however fast others come.
constexpr std::uint32_t hold_window(std::chrono::milliseconds since) {
  constexpr std::uint32_t kFirst = 8;
  const auto doublings = std::clamp<std::int64_t>(since.count() / 100, 0, 20);
  return kFirst << doublings;
}

// How many may go now.
constexpr std::uint64_t may_go(std::chrono::milliseconds since, std::uint32_t ready_targets, std::uint64_t in_flight) {
  const auto room = std::uint64_t{hold_window(since)} * ready_targets;
  return room > in_flight ? room - in_flight : 0;
}

}  // namespace fleet::proxy
