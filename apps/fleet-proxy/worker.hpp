// One worker: its link to fleetd, its states (fresh -> ready -> accepting -> draining), and the data plane it runs.
#pragma once

#include <functional>
#include <set>

#include "clients/door.hpp"
#include "link.hpp"
#include "proxy.hpp"

namespace fleet::proxy {

struct WorkerOptions {
  std::string id;
  std::uint32_t slot = 0;
  // What the command line says of them, whatever fleetd does.
  std::function<void(Limits&)> overrides = [](Limits&) {};
  std::shared_ptr<LogWriter> log_writer = nullptr;  // made before the sandbox is; null: no access logs
  std::shared_ptr<assets::Server> assets = nullptr;  // likewise; null: none
};

class Worker final : Target::Observer, Link::Owner, Ticker {
 public:
  // The loop's run() returns when the worker has drained.
  Worker(Loop& loop, os::Fd link_listener, WorkerOptions options);
  void drain(std::chrono::milliseconds deadline);

 private:
  using State = wire::WorkerState;

  // Link
  class Dialled final : public ReadinessListener {
   public:
    explicit Dialled(Worker& worker) : worker_(worker) {}
    void on_ready() override { worker_.accept_link(); }

   private:
    Worker& worker_;
  };
  void accept_link();
  Result<> on_message(net::Incoming message) override;
  void on_link_ended(const std::string& reason) override;
  template <class M>
  void say(const M& message, const std::vector<int>& fds = {}) {
    if (link_) link_->send(message, fds);
  }
  void greet();

  Result<> take_listeners(net::Incoming& message);
  Result<> take_keys(const net::Incoming& message);
  Result<> take_table(net::Incoming& message);
  void take_settings(const ProxySettings& settings);
  Result<> take_logs(net::Incoming& message);
  Task<> prove_ready();

  // Clockwork
  void on_tick() override;
  void finished();

  wire::Stats stats();
  void send_stats();
  void report_drained();
  void target_quiet(Target& target) override;

  Loop& loop_;
  const WorkerOptions options_;
  Proxy proxy_;
  Door door_;
  Dialled dialled_{*this};
  SocketPtr link_listener_;
  bool link_paused_ = false;
  std::unique_ptr<Link> link_;  // the newest, perhaps ended
  State state_ = State::fresh;
  bool proving_ = false;
  Clock::time_point cut_at_ = Clock::time_point::max();  // what a drain has not ended by then
  std::uint32_t cut_ = 0;
  std::set<std::string> reported_;  // draining targets that TargetDrained was said for
  std::optional<wire::Stats> last_stats_;
  unsigned ticks_ = 0;
};

}  // namespace fleet::proxy
