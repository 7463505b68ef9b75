#include "io/readiness.hpp"

#include <algorithm>

namespace fleet::proxy {

Deadline::~Deadline() {
  if (watchdog_) --watchdog_->watched_;
}

void Watchdog::watch(Deadline& deadline) {
  ++watched_;
  deadline.watchdog_ = this;
  place(deadline);
}

void Watchdog::place(Deadline& deadline) {
  deadline.unlink();
  // The first tick at or after it, but a later one than the last, and one that the wheel has.
  const auto first = deadline.at_ == Clock::time_point::max() ? kSlots : (deadline.at_ - began_ + kTick - Clock::duration(1)) / kTick;
  const auto tick = std::clamp<std::int64_t>(first, ticks_ + 1, ticks_ + kSlots - 1);
  deadline.looked_at_ = began_ + tick * kTick;
  slots_[static_cast<std::size_t>(tick % kSlots)].push_back(deadline);
}

void Watchdog::tick(Clock::time_point now) {
  const auto over = (now - began_) / kTick;
  List due;  // waking one may end others
  // After a long sleep of the whole machine one turn of the wheel meets them all.
  ticks_ = std::max(ticks_, over - kSlots);
  while (ticks_ < over) {
    auto& slot = slots_[static_cast<std::size_t>(++ticks_ % kSlots)];
    due.splice(due.end(), slot);
  }
  while (!due.empty()) {
    auto& deadline = due.front();
    place(deadline);
    if (deadline.passed(now)) deadline.wakeup_.wake();
  }
}

}  // namespace fleet::proxy
