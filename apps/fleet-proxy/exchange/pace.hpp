// Is a client too slow? Only the time for which it is what everybody waits for counts, in windows of fixed length: in each
// it must move so many bytes, whatever it did before. Pure: bytes and times in, a verdict out.
#pragma once

#include <cstdint>

#include "io/readiness.hpp"

namespace fleet::proxy {

class Pace {
 public:
  using Ms = std::chrono::milliseconds;

  // The client is not waited for.
  void rests(Clock::time_point now) {
    if (!since_) return;
    waited_ += now - *since_;
    since_.reset();
  }
  // It is waited for. True once that has added up to a window: then ask keeps_up().
  bool waits(Clock::time_point now, Ms window) {
    if (!since_) since_ = now;
    return waited_ + (now - *since_) >= window;
  }
  // Ends the window and begins the next. `moved`: bytes so far, never less than before; `rate`: per second.
  bool keeps_up(Clock::time_point now, std::uint64_t moved, Ms window, std::uint32_t rate) {
    const bool enough = (moved - moved_) * 1000 >= static_cast<std::uint64_t>(window.count()) * rate;
    moved_ = moved;
    waited_ = {};
    since_ = now;
    return enough;
  }

 private:
  std::optional<Clock::time_point> since_;
  Clock::duration waited_{};
  std::uint64_t moved_ = 0;  // when the window began
};

// Bytes that the peer's kernel has said it has, since the connection began. What left ours may still be under way.
std::uint64_t acknowledged(int fd);

}  // namespace fleet::proxy
