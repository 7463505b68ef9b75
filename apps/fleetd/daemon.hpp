// fleetd as a whole: comes up around whatever runs already, answers the API, goes.
#pragma once

#include <memory>
#include <string>

#include "alarm.hpp"
#include "api/backend.hpp"
#include "api/server.hpp"
#include "core/config.hpp"
#include "executor.hpp"
#include "keyring.hpp"
#include "listeners.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "poller.hpp"
#include "route_check.hpp"
#include "store.hpp"
#include "takeover.hpp"
#include "workers.hpp"

namespace fleet {

class Daemon final : public api::Backend {
 public:
  Daemon(net::asio::io_context& io, std::string config_file, Config config, Paths paths, Store store);

  // From whatever runs to READY. Errors: an address that cannot be bound, a state that cannot be read. What runs is not
  // touched by a failure.
  net::Task<Result<>> come_up();

  // Tells systemd that the loop turns, where it wants to hear it (WatchdogSec=).
  net::Task<> feed_watchdog();

  // Handles SIGTERM and SIGINT (end, leave everything running) and SIGHUP (reload).
  net::Task<> obey_signals();

  bool is_ready() override { return ready_; }
  api::StatusView status() override;
  net::Task<std::string> metrics(api::MetricsFormat format) override;
  Result<api::DeploymentView> deployment(api::DeploymentId id) override;
  Result<api::ReleasesView> releases(const std::string& app) override;
  Result<api::ReleaseView> pin(const std::string& app, std::uint64_t release, bool pinned,
                               const std::string& requested_by) override;
  Result<api::GcView> collect(const std::optional<std::string>& app, bool dry_run) override;
  Result<api::RouteView> route(const api::RouteQuery& asked) override;
  Result<api::LogsView> logs(const std::string& app, const api::LogQuery& query) override;
  Result<api::DeploymentId> deploy(const std::string& app, api::DeployRequest request) override;
  Result<api::DeploymentId> rollback(const std::string& app, std::optional<std::uint64_t> release,
                                     const std::string& requested_by) override;
  Result<api::DeploymentId> restart(const std::string& app, const std::string& requested_by) override;
  Result<> abort(api::DeploymentId id, const std::string& requested_by) override;
  net::Task<Result<api::PlanView>> plan(std::string app, api::DeployRequest request) override;
  net::Task<Result<api::HoldView>> hold(std::string app, milliseconds at_most, std::string requested_by) override;
  net::Task<Result<api::HoldView>> unhold(std::string app, std::string requested_by) override;
  net::Task<Result<>> reload() override;
  net::Task<Result<std::uint32_t>> upgrade_proxy() override;
  net::Task<Result<api::UpgradeView>> upgrade(std::string program, std::string requested_by) override;
  void take_over() override;
  void shutdown(bool stop_apps) override;
  api::EventLog& events() override { return events_; }

 private:
  net::Task<std::map<std::string, FoundShim>> find_shims();
  void end_what_was_left(const std::map<std::string, FoundShim>& found);
  net::Task<> adopt_workers(std::map<std::string, FoundShim>& found);
  void note_saving(const Result<>& saved);
  net::Task<> tend_alarm();
  void report_alarm(api::EventType type, std::string message);
  void keep_figures(const KeptFigures& kept);
  void restore_figures();
  net::Task<> leave(bool stop_apps);
  os::Fd take_up(NamedFds handed_down);
  net::Task<Result<Candidate>> try_successor(std::string program);
  net::Task<> give_way();
  net::Task<Result<>> take_config(Config config);
  ProxySettings settings() const;
  Result<plan::Request> wanted(const std::string& app, api::DeployRequest request) const;

  net::asio::io_context& io_;
  std::string config_file_, config_stamp_;
  Config config_;
  Paths paths_;
  Store store_;
  net::TaskGroup tasks_;
  api::EventLog events_;
  Listeners listeners_;
  std::unique_ptr<Executor> executor_;
  Poller poller_{io_, tasks_, paths_, store_};
  Workers workers_;
  Keyring keyring_;
  api::Server server_;
  const std::string node_;  // among all that a request may pass through (P3)
  const std::chrono::system_clock::time_point began_ = std::chrono::system_clock::now();
  std::string started_at_ = wall_time(began_);
  route::Logins logins_{route::Logins::secret()};  // of route checks
  std::string successor_;       // the program that is to take over
  ProgramFile successor_file_;  // as it was tried
  Alarm not_saved_;
  std::string not_saved_since_;
  bool up_ = false, ready_ = false, reloading_ = false, upgrading_ = false, leaving_ = false;
};

}  // namespace fleet
