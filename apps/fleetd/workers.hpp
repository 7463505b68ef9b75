// The proxy workers: one per slot, started, adopted, given listeners, keys and tables, replaced when they end or when
// their listeners change.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/views.hpp"
#include "core/routes.hpp"
#include "listeners.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "shim.hpp"
#include "wire/messages.hpp"

namespace fleet {

// Requests of one app or target, summed over all workers, those that have ended too.
struct Totals {
  std::uint64_t requests = 0, failed = 0, client_aborted = 0, retried = 0, held = 0;
};

class Workers {
 public:
  struct Events {
    std::function<void(std::uint64_t generation)> acked;      // by every live worker
    std::function<void(const std::string& target)> drained;   // in every live worker
    std::function<void(api::EventView)> report;               // worker.started, worker.exited
  };

  Workers(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, Listeners& listeners, Events events);
  ~Workers();

  // Takes over a former fleetd's worker and its listeners; one whose shim is gone is replaced. Before begin().
  net::Task<Result<>> adopt(const std::string& id, std::optional<Shim> shim);

  // Brings every slot to life, and keeps it so.
  void begin(std::uint32_t slots, wire::Keys keys, RouteTable table);

  // So many slots from now on, with the listeners as they now are: a worker that has others is replaced.
  void configure(std::uint32_t slots);

  // From the next acknowledgement on, this table holds. Each worker replaces the one it has.
  void publish(const RouteTable& table);

  // New certificates for all workers. Error: the first refusal; that worker keeps its former keys.
  net::Task<Result<>> set_keys(wire::Keys keys);

  // Waits until all slots accept, or `at_most`. Error names the slot that does not.
  net::Task<Result<>> wait_accepting(milliseconds at_most);

  // Fresh figures from every worker, or those there are after `at_most`.
  net::Task<> refresh(milliseconds at_most);

  // Drains and ends all; no slot is started again.
  net::Task<> drain_all(milliseconds deadline);

  std::vector<api::WorkerView> view() const;
  Totals totals(const std::string& app) const;
  std::uint32_t in_flight(const std::string& target) const;
  std::uint64_t acked() const;  // the generation that all live workers have; of no worker: the published one

 private:
  struct Slot;
  struct Worker;
  net::Task<> keep(std::uint32_t slot);
  net::Task<> pause(milliseconds time);
  net::Task<Result<std::shared_ptr<Worker>>> bring_up(std::uint32_t slot);
  net::Task<Result<>> start(std::shared_ptr<Worker> worker);
  net::Task<Result<>> hand_over(std::shared_ptr<Worker> worker);
  net::Task<> serve(std::shared_ptr<Worker> worker);
  net::Task<> watch_shim(std::shared_ptr<Worker> worker);
  net::Task<> watch_acks();
  net::Task<bool> wait_changed(net::Timer::time_point until);  // false: that time has come
  Result<> dial(Worker& worker);
  net::Timer hang_up_after(milliseconds time, std::shared_ptr<Worker> worker);
  void take(Worker& worker, const net::Incoming& message);
  void lost(Worker& worker);
  void send_table(Worker& worker);
  void drain(Worker& worker, milliseconds deadline);
  void retire(Worker& worker);
  std::vector<wire::ListenerInfo> listener_infos(std::uint32_t slot) const;
  bool has_its_listeners(const Worker& worker) const;
  int access_log(const std::string& app);
  void check_acked();
  void check_drained(const std::string& target);
  std::vector<std::string> draining_targets() const;
  void set_stats(Worker& worker, wire::Stats stats);
  static void add(Totals& totals, const wire::TargetStats& stats);
  void report(api::EventType type, const Worker& worker, std::string message);

  net::asio::io_context& io_;
  net::TaskGroup& tasks_;
  const Paths& paths_;
  Listeners& listeners_;
  Events events_;
  wire::Keys keys_;
  RouteTable table_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::shared_ptr<Worker>> all_;   // every worker with a process, those that leave too
  std::map<std::string, os::Fd> access_logs_;  // by app
  std::map<std::string, Totals> past_;         // by app: of workers that have ended
  net::Timer changed_;                         // cancelled whenever something that is waited for may have changed
  std::uint64_t told_acked_ = 0;
  std::size_t watched_ = 0;  // shims whose program has not ended
  bool watching_acks_ = false;
  bool closing_ = false;
};

}  // namespace fleet
