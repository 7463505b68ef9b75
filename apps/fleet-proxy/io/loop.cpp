#include "io/loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "io/socket.hpp"

namespace fleet::proxy {
namespace {

constexpr int kEventsPerRound = 256;
constexpr std::chrono::seconds kActive{10};  // after the last event ticks go on for as long, watched or not

}  // namespace

Loop::Loop(bool shares_calls) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), gathering_(shares_calls) {
  if (!epoll_) throw std::system_error(errno, std::generic_category(), "cannot make an epoll descriptor");
  Clock::update();
  next_tick_ = active_until_ = Clock::now();
}

Loop::~Loop() = default;

void Loop::run() {
  std::array<epoll_event, kEventsPerRound> events;
  while (!stopped_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerRound, patience());
    Clock::update();
    if (count > 0) active_until_ = Clock::now() + kActive;
    gathering_.open();
    for (auto left = std::span(events).first(static_cast<std::size_t>(std::max(count, 0))); !left.empty();) {
      const auto turns = std::min(left.size(), Gathering::kTurns);
      give_turns(left.first(turns));
      left = left.subspan(turns);
    }
    run_all(yielded_);
    tick_if_due();
    run_all(ending_);
    gathering_.close();
    closed_.clear();
  }
  stopped_ = false;
}

void Loop::give_turns(std::span<epoll_event> events) {
  std::array<Socket*, Gathering::kTurns> small;
  std::size_t count = 0;
  for (const auto& event : events) {
    auto* const socket = static_cast<Socket*>(event.data.ptr);
    if (socket->may_read_ahead(event.events)) small[count++] = socket;
  }
  gathering_.read_ahead(std::span(small).first(count));
  for (const auto& event : events) static_cast<Socket*>(event.data.ptr)->on_events(event.events);
  gathering_.end_turns();
  gathering_.write();
}

int Loop::patience() const {
  if (!yielded_.empty() || !ending_.empty()) return 0;
  const auto now = Clock::now();
  if (watchdog.idle() && now >= active_until_) return -1;
  if (now >= next_tick_) return 0;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - now).count());
}

// Those that are there now; what they ask for anew comes the next time.
void Loop::run_all(Jobs& jobs) {
  Jobs now;
  now.swap(jobs);
  while (!now.empty()) {
    auto& job = now.front();
    job.unlink();
    job.run_deferred();
  }
}

void Loop::tick_if_due() {
  const auto now = Clock::now();
  if (now < next_tick_) return;
  next_tick_ = now + Watchdog::kTick;
  watchdog.tick(now);
  if (ticker_) ticker_->on_tick();
}

}  // namespace fleet::proxy
