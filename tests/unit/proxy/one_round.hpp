#pragma once

#include "io/loop.hpp"

namespace fleet::proxy {

// One look at the sockets.
inline void one_round(Loop& loop) {
  const auto turn = [](Loop& its) -> Task<> {
    co_await its.yield();
    its.stop();
  };
  spawn(turn(loop), [](std::exception_ptr) {});
  loop.run();
}

}  // namespace fleet::proxy
