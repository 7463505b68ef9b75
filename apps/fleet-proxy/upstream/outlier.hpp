// Whether one target fails where its fellows do not (FAULTS D5): what is decided of numbers alone. Requests that fail
// everywhere are the application's matter. One that fails quickly has few in flight, and would otherwise get ever more.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace fleet::proxy {

// How requests came out: failed are those without a whole head of an answer, and answers of 500 and more.
struct Outcomes {
  std::uint64_t all = 0, failed = 0;

  Outcomes& operator+=(const Outcomes& more) {
    all += more.all, failed += more.failed;
    return *this;
  }
};

// Of late: what has come out counts half after 10 s.
class Record {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kHalf{10};

  void note(bool failed, Time now) {
    fade(now);
    ++seen_.all;
    if (failed) ++seen_.failed;
  }
  Outcomes at(Time now) const {
    auto then = *this;
    then.fade(now);
    return then.seen_;
  }
  void clear() { seen_ = {}; }

 private:
  void fade(Time now) {
    if (now - since_ < kHalf) return;
    const auto halves = (now - since_) / kHalf;
    const auto shift = halves < 63 ? static_cast<unsigned>(halves) : 63;
    seen_.all >>= shift, seen_.failed >>= shift;
    since_ += halves * kHalf;
  }

  Outcomes seen_;
  Time since_{};
};

// Three failures, and so many more than its fellows' rate would have made of its requests that it is not chance; of
// fellows that have had a few requests.
constexpr bool stands_out(const Outcomes& own, const Outcomes& fellows) {
  constexpr std::uint64_t kFailures = 3, kTimes = 4, kFellows = 20, kLeastShare = 20;
  if (own.failed < kFailures || fellows.all < kFellows || own.failed * kLeastShare < own.all) return false;
  return (own.failed - kFailures) * fellows.all >= kTimes * fellows.failed * own.all;
}

// For how long one is passed over that stood out `spell` times in a row before: twice as long each time.
constexpr std::chrono::milliseconds time_out(std::chrono::milliseconds first, unsigned spell) {
  constexpr std::chrono::milliseconds kLongest{30'000};
  return spell < 5 ? std::min(first * (1u << spell), kLongest) : kLongest;
}

}  // namespace fleet::proxy
