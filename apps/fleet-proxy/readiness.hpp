// How a session waits. It tries its sockets without blocking; when nothing moves it arms what it waits for and sleeps
// on its Wakeup. Sockets becoming ready, deadlines, a new table and a cut all do the same: set a flag and wake it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>
#include <optional>

#include "net/task.hpp"

namespace fleet::proxy {

namespace asio = boost::asio;
using net::Task;
using Clock = std::chrono::steady_clock;

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
    if (!sleeper_) {
      pending_ = true;
      return;
    }
    auto sleeper = std::move(*sleeper_);
    sleeper_.reset();
    std::move(sleeper)();
  }
  void on_ready() override { wake(); }

  // True when a wake is pending, which it takes: then do not sleep().
  bool take_pending() { return std::exchange(pending_, false); }
  auto sleep() {
    return asio::async_initiate<const net::UseTask&, void()>(
        [this](auto handler) { sleeper_.emplace(std::move(handler)); }, net::use_task);
  }

 private:
  using Sleeper = asio::async_result<net::UseTask, void()>::handler_type;
  std::optional<Sleeper> sleeper_;
  bool pending_ = false;
};

// A deadline that a session moves about by a store; looked at every kTick.
class Deadline : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  explicit Deadline(Wakeup& wakeup) : wakeup_(wakeup) {}
  void set(Clock::time_point at) { at_ = at; }
  void clear() { at_ = Clock::time_point::max(); }
  bool passed(Clock::time_point now) const { return now >= at_; }
  void wake() { wakeup_.wake(); }

 private:
  Wakeup& wakeup_;
  Clock::time_point at_ = Clock::time_point::max();
};

using DeadlineList = boost::intrusive::list<Deadline, boost::intrusive::constant_time_size<false>>;

// Wakes what is overdue.
class Watchdog {
 public:
  static constexpr std::chrono::milliseconds kTick{100};

  void watch(Deadline& deadline) { watched_.push_back(deadline); }
  bool idle() const { return watched_.empty(); }
  void tick(Clock::time_point now) {
    DeadlineList due;  // waking one may end others
    for (auto it = watched_.begin(); it != watched_.end();) {
      auto& deadline = *it++;
      if (!deadline.passed(now)) continue;
      deadline.unlink();
      due.push_back(deadline);
    }
    while (!due.empty()) {
      auto& deadline = due.front();
      deadline.unlink();
      watched_.push_back(deadline);
      deadline.wake();
    }
  }

 private:
  DeadlineList watched_;
};

}  // namespace fleet::proxy
