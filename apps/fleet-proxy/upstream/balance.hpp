// Which target a request goes to: what is decided of numbers alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace fleet::proxy {

// A target's share of the requests, against that of the others.
constexpr std::uint32_t kFullShare = 1000, kFirstShare = 100;

// Grows evenly from kFirstShare to kFullShare in `slow_start`. `age`: since the target joined others.
constexpr std::uint32_t share_at(std::chrono::milliseconds age, std::chrono::milliseconds slow_start) {
  if (age >= slow_start) return kFullShare;
  if (age.count() <= 0) return kFirstShare;
  return kFirstShare + static_cast<std::uint32_t>((kFullShare - kFirstShare) * age.count() / slow_start.count());
}

struct Load {
  std::uint32_t in_flight = 0, share = kFullShare;
};
// Whether one more request would weigh less on `a` than on `b`.
constexpr bool weighs_less(const Load& a, const Load& b) {
  return (a.in_flight + std::uint64_t{1}) * b.share < (b.in_flight + std::uint64_t{1}) * a.share;
}

// ---- rendezvous hashing: of all targets the one with the highest score for a key takes it. When one leaves, its keys
// spread over the others, and no other key moves; when one comes, it takes its part from all.

// The same in every worker, now and after an upgrade.
std::uint64_t hash_of(std::string_view text);
// Higher is better. `target`: the hash of what it is known by.
double score_of(std::uint64_t key, std::uint64_t target, std::uint32_t share);

}  // namespace fleet::proxy
