// One worker: its link to fleetd, its states (fresh -> ready -> accepting -> draining), and the data plane it runs.
#pragma once

#include <set>

#include "door.hpp"
#include "net/channel.hpp"
#include "proxy.hpp"

namespace fleet::proxy {

struct WorkerOptions {
  std::string id;
  std::uint32_t slot = 0;
  Limits limits;
};

class Worker final : Target::Observer {
 public:
  Worker(asio::io_context& io, os::Fd link_listener, WorkerOptions options);

  // Spawns all that a worker does. The io_context's run() returns when it has drained.
  void start();
  void drain(std::chrono::milliseconds deadline);

 private:
  using State = wire::WorkerState;

  // Link
  Task<> accept_links();
  Task<> serve_link(std::uint64_t number);
  Result<> handle(net::Incoming message);
  template <class M>
  void say(const M& message, const std::vector<int>& fds = {}) {
    if (link_) link_->send(message, fds);
  }
  void greet();

  Result<> take_listeners(net::Incoming& message);
  Result<> take_keys(const net::Incoming& message);
  Result<> take_table(net::Incoming& message);
  Task<> prove_ready();

  // Clockwork
  Task<> tick();
  Task<> finish_drain(std::chrono::milliseconds deadline);
  void finished();

  wire::Stats stats();
  void send_stats();
  void report_drained();
  void target_quiet(Target& target) override;

  asio::io_context& io_;
  const WorkerOptions options_;
  Proxy proxy_;
  Door door_;
  asio::posix::basic_stream_descriptor<net::Executor> link_listener_;
  std::shared_ptr<net::Channel> link_;  // the newest; shared with the coroutine that reads it
  std::uint64_t links_ = 0;
  State state_ = State::fresh;
  bool proving_ = false;
  std::uint32_t cut_ = 0;
  std::set<std::string> reported_;  // draining targets that TargetDrained was said for
  std::optional<wire::Stats> last_stats_;
  net::Timer ticker_, drain_timer_;
};

}  // namespace fleet::proxy
