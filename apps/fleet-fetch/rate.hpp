// How fast something grows, by its last seconds. No clock of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

namespace fleet::fetch {

class Rate {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // `count` at this moment; when it has gone down, it has begun again.
  void note(Moment now, std::uint64_t count) {
    if (!seen_.empty() && count < seen_.back().second) seen_.clear();
    while (seen_.size() > 1 && now - seen_.front().first > kWindow) seen_.pop_front();
    seen_.emplace_back(now, count);
  }
  void clear() { seen_.clear(); }

  // 0: not known before half a second.
  std::uint64_t per_second() const {
    if (seen_.empty()) return 0;
    const std::chrono::duration<double> time = seen_.back().first - seen_.front().first;
    if (time.count() < 0.5) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(seen_.back().second - seen_.front().second) / time.count());
  }

 private:
  static constexpr std::chrono::seconds kWindow{3};
  std::deque<std::pair<Moment, std::uint64_t>> seen_;
};

}  // namespace fleet::fetch
