#include "child.hpp"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>

namespace fleet {

using Watched = net::asio::posix::basic_stream_descriptor<net::Executor>;

EndWatch::EndWatch(net::asio::io_context& io, const os::Fd& pidfd, std::function<void()> tell) : watched_(io) {
  const int copy = ::fcntl(pidfd.get(), F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return;
  watched_.assign(copy);
  watched_.async_wait(Watched::wait_read, [tell = std::move(tell)](boost::system::error_code error) {
    if (!error) tell();
  });
}

net::Task<Result<os::ExitStatus>> wait_exit(net::asio::io_context& io, os::Process process) {
  const int copy = ::fcntl(process.pidfd.get(), F_DUPFD_CLOEXEC, 3);
  if (copy < 0) co_return fail_errno("cannot wait for a child", errno);
  Watched watched(io, copy);
  for (;;) {
    auto status = os::reap(process.pidfd);
    if (!status) co_return std::unexpected(status.error());
    if (*status) co_return **status;
    auto [error] = co_await watched.async_wait(Watched::wait_read, net::use_result);
    if (error) co_return fail(ErrorKind::aborted, "no longer waiting for a child");
  }
}

net::Task<Result<os::ExitStatus>> run_child(net::asio::io_context& io, os::Spawn spawn, milliseconds timeout) {
  auto process = os::spawn(spawn);
  if (!process) co_return std::unexpected(process.error());
  // Shared with the timer's handler, which may run after this coroutine has ended.
  const auto expired = std::make_shared<bool>(false);
  const auto pidfd = std::make_shared<os::Fd>(::fcntl(process->pidfd.get(), F_DUPFD_CLOEXEC, 3));
  net::Timer timer(io, timeout);
  timer.async_wait([expired, pidfd, group = process->pid](boost::system::error_code error) {
    // Its number is its own until it is reaped, and so is the group it leads.
    if (error || !os::signal(*pidfd, SIGKILL)) return;
    *expired = true;
    ::kill(-group, SIGKILL);
  });
  auto status = co_await wait_exit(io, std::move(*process));
  if (!status) (void)os::signal(*pidfd, SIGKILL);
  if (*expired) co_return fail("did not end within " + std::to_string(timeout.count()) + "ms");
  co_return status;
}

}  // namespace fleet
