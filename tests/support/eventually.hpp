// Waiting for what nobody tells of: it is looked at again and again until it is so. Where something can be waited for
// itself, a descriptor or an answer, that is better.
#pragma once

#include <chrono>
#include <thread>
#include <utility>

namespace fleet::test {

// False at the limit, which only a failure reaches.
template <class F>
bool eventually(std::chrono::milliseconds limit, F&& so) {
  for (const auto end = std::chrono::steady_clock::now() + limit;;) {
    if (so()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
}

template <class F>
bool eventually(F&& so) {
  return eventually(std::chrono::seconds(10), std::forward<F>(so));
}

}  // namespace fleet::test
