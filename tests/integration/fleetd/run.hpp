// Running one coroutine to its end, and what it left open.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <filesystem>
#include <optional>

#include "net/task.hpp"

namespace fleet::test {

template <class T>
T run(net::asio::io_context& io, net::Task<T> task) {
  std::optional<T> result;
  net::asio::co_spawn(io.get_executor(), std::move(task), [&](std::exception_ptr thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    result = std::move(value);
  });
  io.restart();
  io.run();
  return std::move(*result);
}

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace fleet::test
