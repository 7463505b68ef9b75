// A fleetd that answers as told and writes down what it was asked.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/backend.hpp"

namespace fleet::api {

class FakeBackend : public Backend {
 public:
  explicit FakeBackend(net::asio::io_context& io) : log_(io) {}

  StatusView status_view;
  std::map<DeploymentId, DeploymentView> deployments;
  LogsView next_logs;
  std::optional<Error> error;  // what every asking answers, if set
  DeploymentId next_id = 17;
  std::vector<std::string> asked;

  bool ready = true;

  bool is_ready() override { return ready; }
  StatusView status() override { return status_view; }
  net::Task<std::string> metrics(MetricsFormat format) override {
    co_return format == MetricsFormat::openmetrics ? "# EOF\n" : "up 1\n";
  }
  Result<DeploymentView> deployment(DeploymentId id) override {
    const auto found = deployments.find(id);
    if (found == deployments.end()) return fail(ErrorKind::not_found, "no such deployment: " + std::to_string(id));
    return found->second;
  }
  Result<ReleasesView> releases(const std::string& app) override {
    if (error) return std::unexpected(*error);
    ReleasesView view;
    view.app = app;
    return view;
  }
  Result<ReleaseView> pin(const std::string& app, std::uint64_t release, bool pinned, const std::string& by) override {
    asked.push_back((pinned ? "pin " : "unpin ") + app + " " + std::to_string(release) + " by " + by);
    if (error) return std::unexpected(*error);
    ReleaseView view;
    view.release = release;
    view.created_at = "2026-11-23T00:00:30.000Z";
    view.pinned = pinned;
    return view;
  }
  Result<GcView> collect(const std::optional<std::string>& app, bool dry_run) override {
    asked.push_back((dry_run ? "gc of " : "remove what need not be kept of ") + app.value_or("all"));
    if (error) return std::unexpected(*error);
    return GcView{dry_run, {{"shop", 3, 1000, "more than 5 are kept"}, {"shop", {}, 24, "left"}}, 1024};
  }
  Result<RouteView> route(const RouteQuery& asked_route) override {
    if (error) return std::unexpected(*error);
    asked.push_back("route " + asked_route.method + " " + asked_route.url + " from " + asked_route.from + " with " + asked_route.headers);
    RouteView view;
    view.url = asked_route.url;
    return view;
  }
  Result<LogsView> logs(const std::string& app, const LogQuery& query) override {
    if (error) return std::unexpected(*error);
    asked.push_back((query.access ? "access log " : "logs ") + app + " " + std::to_string(query.lines) + " " + query.cursor);
    return std::exchange(next_logs, LogsView{{}, "end"});
  }
  Result<DeploymentId> deploy(const std::string& app, DeployRequest request) override {
    return begin("deploy " + app + " " + request.url + " " + request.sha256 + " by " + request.requested_by);
  }
  Result<DeploymentId> rollback(const std::string& app, std::optional<std::uint64_t> release,
                                const std::string& by) override {
    return begin("rollback " + app + " to " + (release ? std::to_string(*release) : "the former") + " by " + by);
  }
  Result<DeploymentId> restart(const std::string& app, const std::string& by) override {
    return begin("restart " + app + " by " + by);
  }
  net::Task<Result<PlanView>> plan(std::string app, DeployRequest request) override {
    asked.push_back("plan " + app + " " + request.url + " by " + request.requested_by);
    PlanView view;
    view.app = app;
    view.changes = {{"build", "a", "b"}};
    if (error) co_return std::unexpected(*error);
    co_return view;
  }
  net::Task<Result<HoldView>> hold(std::string app, milliseconds at_most, std::string by) override {
    asked.push_back("hold " + app + " for " + std::to_string(at_most.count()) + " by " + by);
    HoldView view;
    view.app = app;
    view.held_until = "2026-11-23T00:00:30.000Z";
    view.in_flight = 3;
    if (error) co_return std::unexpected(*error);
    co_return view;
  }
  net::Task<Result<HoldView>> unhold(std::string app, std::string by) override {
    asked.push_back("unhold " + app + " by " + by);
    HoldView view;
    view.app = app;
    if (error) co_return std::unexpected(*error);
    co_return view;
  }
  Result<> abort(DeploymentId id, const std::string& by) override {
    asked.push_back("abort " + std::to_string(id) + " by " + by);
    if (error) return std::unexpected(*error);
    return {};
  }
  net::Task<Result<std::uint32_t>> upgrade_proxy() override {
    asked.push_back("upgrade proxy");
    co_return 2u;
  }
  net::Task<Result<UpgradeView>> upgrade(std::string program, std::string by) override {
    asked.push_back("upgrade to " + program + " by " + by);
    UpgradeView view;
    view.from = "0.1.0", view.to = "0.2.0", view.program = program;
    if (error) co_return std::unexpected(*error);
    co_return view;
  }
  void take_over() override { asked.push_back("take over"); }
  net::Task<Result<>> reload() override {
    asked.push_back("reload");
    Result<> result;
    if (error) result = std::unexpected(*error);
    co_return result;
  }
  void shutdown(bool stop_apps) override { asked.push_back(stop_apps ? "shutdown with apps" : "shutdown"); }
  EventLog& events() override { return log_; }

 private:
  Result<DeploymentId> begin(std::string what) {
    asked.push_back(std::move(what));
    if (error) return std::unexpected(*error);
    return next_id;
  }
  EventLog log_;
};

}  // namespace fleet::api
