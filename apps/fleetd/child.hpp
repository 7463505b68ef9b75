// Children of fleetd itself: waiting for one to end, and running a short-lived one within a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "core/config.hpp"
#include "core/result.hpp"
#include "net/task.hpp"
#include "os/process.hpp"

namespace fleet {

// Tells once when a process has ended, a child or not; nobody takes its exit status. Not after it is destroyed.
class EndWatch {
 public:
  EndWatch(net::asio::io_context& io, const os::Fd& pidfd, std::function<void()> tell);

 private:
  net::asio::posix::basic_stream_descriptor<net::Executor> watched_;
};

// Until it has ended; takes its exit status. Error when the wait was cancelled.
net::Task<Result<os::ExitStatus>> wait_exit(net::asio::io_context& io, os::Process process);

// Runs a program to its end, or kills it and what it has started after `timeout`. Its output goes to /dev/null.
net::Task<Result<os::ExitStatus>> run_child(net::asio::io_context& io, os::Spawn spawn, milliseconds timeout);

}  // namespace fleet
