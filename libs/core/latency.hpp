// The buckets that durations are counted in. A part of the link protocol: workers count, fleetd shows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace fleet {

// Upper bounds, in microseconds; one more bucket holds what took longer.
constexpr std::array<std::uint64_t, 16> kLatencyBounds = {500,    1000,    2500,    5000,    10000,   25000,    50000,    100000,
                                                          250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};
constexpr std::size_t kLatencyBuckets = kLatencyBounds.size() + 1;

}  // namespace fleet
