// The proxy workers: one per slot, started, adopted, given listeners, keys and tables, replaced when they end or when
// their listeners change.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "access_logs.hpp"
#include "api/views.hpp"
#include "core/routes.hpp"
#include "figures.hpp"
#include "last_good.hpp"
#include "listeners.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "program_copy.hpp"
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
    std::function<void(const KeptFigures&)> keep;             // to be given to the next fleetd's workers
  };

  Workers(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, Listeners& listeners, Events events);
  ~Workers();

  // Takes over a former fleetd's worker and its listeners; one whose shim is gone is replaced. Before begin().
  net::Task<Result<>> adopt(const std::string& id, std::optional<Shim> shim);

  // What a former fleetd was told to keep. After adopt(), before begin().
  void restore(KeptFigures kept);

  // Brings every slot to life, and keeps it so.
  void begin(std::uint32_t slots, wire::Keys keys, RouteTable table);

  // So many slots from now on, with the listeners as they now are: a worker that has others is replaced. What workers
  // have fallen back from is tried again, as by upgrade() and, what the table is concerned, publish().
  void configure(std::uint32_t slots);

  // A new worker, of the program as it is on disk now, in the place of each, one after the other; the former ones drain.
  // Answers how many there are now that all accept. Error: unhealthy, the first that did not come to accept; that slot's
  // worker and those of the slots after it go on.
  net::Task<Result<std::uint32_t>> upgrade();

  // What all workers are told of clients and proxies before them, at once and with each table. Before begin(), too.
  void set_settings(ProxySettings settings);

  // From the next acknowledgement on, this table holds. Each worker replaces the one it has.
  void publish(const RouteTable& table);

  // New certificates and ticket keys for all workers; which certificates were refused, of which a worker keeps the former
  // version. Error: a worker refused all, then every worker keeps its former keys, or does not answer.
  net::Task<Result<std::vector<wire::RefusedCertificate>>> set_keys(wire::Keys keys);

  // Of the workers taken over.
  std::vector<wire::Keys> take_held_keys() { return std::exchange(held_keys_, {}); }

  // How access logs are rotated from now on. Opens every one anew, for those that others have moved away.
  void rotate_logs(AccessLogFiles::Rotation rotation);

  // Waits until all slots accept, or `at_most`. Error names the slot that does not.
  net::Task<Result<>> wait_accepting(milliseconds at_most);

  // Until every worker has the table that it is to have, which may be an older one (fallback()).
  net::Task<> wait_told();

  // Fresh figures from every worker, or those there are after `at_most`.
  net::Task<> refresh(milliseconds at_most);

  // Drains and ends all; no slot is started again.
  net::Task<> drain_all(milliseconds deadline);

  std::vector<api::WorkerView> view() const;
  std::optional<api::FallbackView> fallback() const;
  Totals totals(const std::string& app) const;
  std::uint32_t in_flight(const std::string& target) const;
  // All of what was counted; and by the slot of each worker that accepts, the generation that it has.
  FigureSums figures() const;
  void forget_figures(const std::function<bool(const std::string& key)>& wanted);  // of releases that are not
  std::map<std::uint32_t, std::uint64_t> generations() const;
  std::uint64_t highest_generation() const;  // that any worker has
  wire::Stats now() const;  // only what is open, held and in flight now, of all workers
  std::uint64_t acked() const;  // the generation that all live workers have; of no worker: the published one

 private:
  struct Slot;
  struct Worker;
  void want(std::uint32_t slots);
  net::Task<> keep(std::uint32_t slot);
  net::Task<> pause(milliseconds time);
  net::Task<Result<std::shared_ptr<Worker>>> bring_up(std::uint32_t slot);
  net::Task<Result<>> start(std::shared_ptr<Worker> worker);
  net::Task<Result<>> hand_over(std::shared_ptr<Worker> worker);
  net::Task<> serve(std::shared_ptr<Worker> worker);
  void watch(std::shared_ptr<Worker> worker);
  net::Task<> watch_shim(std::shared_ptr<Worker> worker);
  net::Task<> watch_acks();
  net::Task<bool> wait_changed(net::Timer::time_point until);  // false: that time has come
  Result<> dial(Worker& worker);
  net::Timer hang_up_after(milliseconds time, std::shared_ptr<Worker> worker);
  void take(Worker& worker, const net::Incoming& message);
  void lost(Worker& worker);
  void send_table(Worker& worker);
  RouteTable table_for(const Worker& worker) const;
  std::string program_for(Worker& worker);
  void check_program(Worker& worker);
  void note_fault(Worker& worker, bool maybe_table, const std::string& how);
  void try_again();
  void restore_fallback();
  void keep_fallback();
  net::Task<> look_for_good();
  net::Task<bool> is_at_fault(std::shared_ptr<Worker> worker);
  void send_keys(Worker& worker);
  void drain(Worker& worker, milliseconds deadline, bool replaced = false);
  void retire(Worker& worker);
  std::vector<wire::ListenerInfo> listener_infos(std::uint32_t slot) const;
  bool has_its_listeners(const Worker& worker) const;
  void send_logs(Worker& worker, std::span<const std::string> apps);
  void tend_logs(bool all);
  net::Task<> watch_logs();
  void check_acked();
  void check_drained(const std::string& target);
  std::vector<std::string> draining_targets() const;
  void set_stats(Worker& worker, wire::Stats stats);
  void take_figures(Worker& worker, const wire::Figures& told);
  void keep_figures();
  static void add(Totals& totals, const wire::TargetStats& stats);
  void report(api::EventType type, const Worker& worker, std::string message);
  net::Task<> keep_record();
  void write_record();

  net::asio::io_context& io_;
  net::TaskGroup& tasks_;
  const Paths& paths_;
  Listeners& listeners_;
  Events events_;
  wire::Keys keys_;
  std::vector<wire::Keys> held_keys_;
  ProxySettings settings_;
  RouteTable table_;
  LastGood last_good_;
  RouteTable good_table_;
  ProgramCopy copy_;
  std::string fallback_since_, fallback_why_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::shared_ptr<Worker>> all_;   // every worker with a process, those that leave too
  AccessLogFiles access_logs_;
  AccessLogFiles::Rotation rotation_;
  std::map<std::string, Totals> past_;  // by app: of workers that have ended
  FigureSums past_figures_;             // likewise, of all apps
  net::Timer changed_;                  // cancelled whenever something that is waited for may have changed
  std::vector<api::EventView> to_report_;
  bool figures_changed_ = false;  // since they were last given to be kept
  std::uint64_t told_acked_ = 0;
  std::size_t watched_ = 0;   // shims whose program has not ended
  std::size_t starting_ = 0;  // workers that are not among all_ yet
  bool watching_acks_ = false;
  bool closing_ = false;
};

}  // namespace fleet
