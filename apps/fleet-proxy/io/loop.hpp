// The worker's one loop: waits for its sockets, tells them, and gives everyone else a turn. epoll, with each socket
// registered once, edge-triggered: what a session needs to know of a socket's readiness it remembers in the socket.
#pragma once

#include <sys/epoll.h>

#include <boost/intrusive/list.hpp>
#include <memory>
#include <span>
#include <vector>

#include "io/gathering.hpp"
#include "io/readiness.hpp"
#include "os/fd.hpp"

namespace fleet::proxy {

class Socket;

// Something to be run once, later in the loop. Asked for twice it runs once; destroyed before, it does not run.
class Deferred : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void run_deferred() = 0;

 protected:
  Deferred() = default;
  ~Deferred() = default;
};

// Is told of each Watchdog::kTick while anything happens.
class Ticker {
 public:
  virtual void on_tick() = 0;

 protected:
  ~Ticker() = default;
};

class Loop {
 public:
  explicit Loop(bool shares_calls = true);  // see Batch
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Until stop().
  void run();
  void stop() { stopped_ = true; }
  void set_ticker(Ticker* ticker) { ticker_ = ticker; }
  void trim() { gathering_.trim(); }

  Watchdog watchdog;

  // When this round's events have all been told, before the loop waits again.
  void at_end_of_round(Deferred& job) {
    if (!job.is_linked()) ending_.push_back(job);
  }
  // After the next look at the sockets: others get a turn.
  auto yield() {
    struct Turn final : Deferred {
      explicit Turn(Loop& owner) : loop(owner) {}
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) noexcept {
        yielding = handle;
        loop.yielded_.push_back(*this);
      }
      void await_resume() noexcept {}
      void run_deferred() override { yielding.resume(); }
      Loop& loop;
      std::coroutine_handle<> yielding;
    };
    return Turn(*this);
  }

 private:
  friend class Socket;
  using Jobs = boost::intrusive::list<Deferred, boost::intrusive::constant_time_size<false>>;

  void give_turns(std::span<epoll_event> events);
  int patience() const;  // milliseconds that epoll_wait may take
  static void run_all(Jobs& jobs);
  void tick_if_due();

  os::Fd epoll_;
  Gathering gathering_;
  std::vector<std::unique_ptr<Socket>> closed_;  // kept to the end of the round: events may still name them
  Jobs yielded_, ending_;
  Ticker* ticker_ = nullptr;
  Clock::time_point next_tick_, active_until_;
  bool stopped_ = false;
};

}  // namespace fleet::proxy
