// A real fleet-shim for one test: started on a socket of its own, spoken to as fleetd does, ended with the test
// together with everything it started.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "os/process.hpp"
#include "support/eventually.hpp"
#include "wire/frame.hpp"

namespace fleet {

using test::eventually;

class Connection {
 public:
  explicit Connection(const std::string& path);

  template <class M>
  void send(const M& message, const std::vector<int>& fds = {}) {
    send_raw(wire::frame(message, fds.size()), fds);
  }
  void send_raw(const std::string& bytes, const std::vector<int>& fds = {});

  // The next status; fails the test after 10 s. Nothing when the shim has closed the connection.
  std::optional<wire::ShimStatus> next();

  // The first status from now on that satisfies.
  wire::ShimStatus wait(const std::function<bool(const wire::ShimStatus&)>& satisfies);
  wire::ShimStatus wait(wire::ShimState);

 private:
  os::Fd socket_;
  wire::FrameReader reader_;
};

class Shim : public ::testing::Test {
 protected:
  Shim();
  ~Shim() override;

  void start(std::vector<std::string> more_arguments = {});
  Connection dial() { return Connection(socket); }

  // sh -c script, in `dir`, logging to `log`.
  wire::Launch script(const std::string& text) const;

  // The log's lines without their times: "o hello".
  std::vector<std::string> lines(const std::string& suffix = "") const;

  // How the shim itself ended.
  os::ExitStatus wait_for_end();
  bool runs() const;

  std::string dir, socket, log;
  os::Process shim;

 private:
  bool ended_ = false;
};

bool readable(int fd, int timeout_ms = 10000);
bool exists(pid_t pid);

}  // namespace fleet
