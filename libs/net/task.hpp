// Coroutines on one thread and one io_context: a concrete executor type throughout, so that nothing is type-erased.
//
// g++ 12 destroys a braced aggregate or a capturing lambda twice when it is written inside a co_await expression: name
// the value first. Coroutines are named functions that take their parameters by value.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace fleet::net {

namespace asio = boost::asio;

using Executor = asio::io_context::executor_type;
template <class T = void>
using Task = asio::awaitable<T, Executor>;
using UseTask = asio::use_awaitable_t<Executor>;
inline constexpr UseTask use_task;
// co_await f(use_result) gives a tuple that begins with the error_code, and throws nothing.
inline constexpr auto use_result = asio::as_tuple(UseTask());

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

}  // namespace fleet::net
