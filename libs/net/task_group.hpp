// The children of one owner: coroutines that it starts, and ends before it ends. Destroying a group that still has
// children is a bug (it asserts).
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <cassert>
#include <exception>
#include <list>
#include <memory>

#include "net/task.hpp"

namespace fleet::net {

class TaskGroup {
 public:
  explicit TaskGroup(asio::io_context& io) : io_(io), empty_(io) { empty_.expires_at(Timer::time_point::max()); }
  ~TaskGroup() { assert(children_.empty()); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Runs `child` from the next turn of the loop on. What it throws ends the program: exceptions are bugs.
  void spawn(Task<> child) {
    const auto place = children_.emplace(children_.end());
    asio::co_spawn(io_.get_executor(), std::move(child),
                   asio::bind_cancellation_slot(place->slot(), [this, place](std::exception_ptr thrown) {
                     children_.erase(place);
                     if (children_.empty()) empty_.cancel();
                     if (thrown && !cancelled_) std::rethrow_exception(thrown);
                   }));
  }

  // Asks all children to end: their pending operations fail.
  void cancel() {
    cancelled_ = true;
    for (auto child = children_.begin(); child != children_.end();) {
      (child++)->emit(asio::cancellation_type::terminal);
    }
  }

  Task<> wait() {
    while (!children_.empty()) co_await empty_.async_wait(use_result);
  }

  bool empty() const { return children_.empty(); }

 private:
  asio::io_context& io_;
  Timer empty_;
  std::list<asio::cancellation_signal> children_;
  bool cancelled_ = false;
};

}  // namespace fleet::net
