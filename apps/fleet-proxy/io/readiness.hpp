// How a session waits. It tries its sockets without blocking; when nothing moves it sleeps on its Wakeup. Sockets
// becoming ready, deadlines, a new table and a cut all do the same: set a flag and wake it.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <utility>

#include "io/task.hpp"

namespace fleet::proxy {

// The time at which this round of the loop began: asking costs nothing, and all of one round agree.
struct Clock {
  using duration = std::chrono::steady_clock::duration;
  using time_point = std::chrono::steady_clock::time_point;
  static time_point now() { return now_; }
  static void update() { now_ = std::chrono::steady_clock::now(); }

 private:
  static inline time_point now_ = std::chrono::steady_clock::now();
};

// Is told that a socket may be ready.
class ReadinessListener {
 public:
  virtual void on_ready() = 0;

 protected:
  ~ReadinessListener() = default;
};

// One sleeper. A wake that comes before the sleep is not lost.
class Wakeup final : public ReadinessListener {
 public:
  // Resumes the sleeper before it returns.
  void wake() {
    if (sleeper_)
      std::exchange(sleeper_, nullptr).resume();
    else
      pending_ = true;
  }
  void on_ready() override { wake(); }

  // True when a wake is pending, which it takes: then do not sleep().
  bool take_pending() { return std::exchange(pending_, false); }
  auto sleep() {
    struct Sleep {
      Wakeup& wakeup;
      bool await_ready() noexcept { return wakeup.take_pending(); }
      void await_suspend(std::coroutine_handle<> sleeper) noexcept { wakeup.sleeper_ = sleeper; }
      void await_resume() noexcept {}
    };
    return Sleep{*this};
  }

 private:
  std::coroutine_handle<> sleeper_ = nullptr;
  bool pending_ = false;
};

class Watchdog;

// A deadline that a session moves about, mostly by a store. Seen to within Watchdog::kTick.
class Deadline : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  explicit Deadline(Wakeup& wakeup) : wakeup_(wakeup) {}
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void set(Clock::time_point at);
  void clear() { at_ = Clock::time_point::max(); }
  bool passed(Clock::time_point now) const { return now >= at_; }

 private:
  friend class Watchdog;
  Wakeup& wakeup_;
  Watchdog* watchdog_ = nullptr;
  Clock::time_point at_ = Clock::time_point::max();
  Clock::time_point looked_at_ = Clock::time_point::max();  // when the watchdog will look at it, at the latest
};

// Wakes what is overdue, at each tick for as long as it is. A wheel of ticks: each deadline is in the slot of the tick
// that looks at it next, so that a tick costs nothing for those that are far off.
class Watchdog {
 public:
  static constexpr std::chrono::milliseconds kTick{100};

  void watch(Deadline& deadline);
  bool idle() const { return watched_ == 0; }
  void tick(Clock::time_point now);

 private:
  friend class Deadline;
  using List = boost::intrusive::list<Deadline, boost::intrusive::constant_time_size<false>>;
  static constexpr std::int64_t kSlots = 1024;

  void place(Deadline& deadline);

  const Clock::time_point began_ = Clock::now();
  std::int64_t ticks_ = 0;  // that are over
  std::uint32_t watched_ = 0;
  std::array<List, kSlots> slots_;
};

inline void Deadline::set(Clock::time_point at) {
  at_ = at;
  if (at < looked_at_ && watchdog_) watchdog_->place(*this);
}

}  // namespace fleet::proxy
