// What the API answers, and asks of the executor.
#include <unistd.h>

#include <algorithm>

#include "daemon.hpp"
#include "logs.hpp"
#include "os/file_stamp.hpp"
#include "route_check.hpp"
#include "views.hpp"

namespace fleet {

api::StatusView Daemon::status() {
  api::StatusView view;
  view.version = FLEET_VERSION;
  view.generation = executor_->generation();
  view.pid = static_cast<std::uint32_t>(::getpid());
  view.started_at = started_at_;
  view.workers = workers_.view();
  view.certificates = keyring_.view();
  view.fallback = workers_.fallback();
  view.config = config_file_;
  view.config_changed = os::file_stamp(config_file_) != config_stamp_;
  if (not_saved_.is_on()) view.alarms.push_back({api::AlarmName::state_not_saved, not_saved_since_, not_saved_.why()});
  for (const auto* app : executor_->apps()) {
    auto& shown = view.apps.emplace_back();
    shown.name = app->state.name;
    if (app->state.current != 0) shown.release = app->state.current;
    shown.state = from_name<api::AppState>(plan::health_of(app->state)).value_or(api::AppState::down);
    shown.hosts = app->config.hosts;
    shown.path = app->config.path;
    shown.wanted = app->config.instances;
    if (app->state.held_until.count() > 0) shown.held_until = executor_->at(app->state.held_until);
    shown.awaits = app->state.awaits;
    shown.unstable = app->state.watch.unstable;
    shown.problem = executor_->problem_of(*app);
    shown.sha256 = app->state.current_sha256;
    if (const auto releases = executor_->releases(app->state.name)) {
      for (const auto& release : *releases) {
        if (release.number == app->state.current) shown.release_url = release.url;
      }
    }
    if (app->state.rollout) {
      const auto running = app->running.find(app->state.rollout->deployment);
      if (running != app->running.end()) shown.deployment = running->second.view;
    }
    for (const auto& instance : app->state.instances) {
      auto& one = shown.instances.emplace_back(
          show_instance(instance, workers_.in_flight(instance.id), executor_->since(instance.since)));
      if (instance.phase == plan::InstancePhase::backoff) one.next_start = executor_->since(instance.deadline);
    }
  }
  return view;
}

Result<api::DeploymentView> Daemon::deployment(api::DeploymentId id) { return executor_->deployment(id); }

Result<api::ReleasesView> Daemon::releases(const std::string& app) { return executor_->show_releases(app); }

Result<api::ReleaseView> Daemon::pin(const std::string& app, std::uint64_t release, bool pinned,
                                     const std::string& requested_by) {
  return executor_->pin(app, release, pinned, requested_by);
}

Result<api::GcView> Daemon::collect(const std::optional<std::string>& app, bool dry_run) {
  if (!up_) return fail(ErrorKind::unreachable, "fleetd is still starting");
  return executor_->collect(app, dry_run);
}

Result<api::RouteView> Daemon::route(const api::RouteQuery& asked) {
  const auto& https = config_.proxy.https;
  return check_route(executor_->table(), asked, https.empty() ? 443 : https.front().port,
                     config_.proxy.settings.ready_path, logins_, std::chrono::steady_clock::now());
}

Result<api::LogsView> Daemon::logs(const std::string& name, const api::LogQuery& query) {
  const auto* app = executor_->app(name);
  if (!app) return fail(ErrorKind::not_found, "no app \"" + name + "\" is configured");
  if (!query.access) return read_logs(paths_, name, query);
  if (app->config.access_log == AccessLog::off) return fail(ErrorKind::usage, "access_log of " + name + " is \"off\"");
  return read_access_log(paths_, name, query);
}

// That it names, or the app's source.
Result<plan::Request> Daemon::wanted(const std::string& app, api::DeployRequest request) const {
  plan::Request wanted;
  wanted.kind = plan::RolloutKind::deploy;
  wanted.url = std::move(request.url);
  wanted.sha256 = std::move(request.sha256);
  wanted.requested_by = std::move(request.requested_by);
  wanted.force = request.force;
  wanted.remote = request.remote && !request.latest;  // where the last build is says the configuration
  const auto* known = executor_->app(app);
  if (!request.latest || !known) return wanted;
  wanted.url = known->config.fetch.source;
  if (wanted.url.empty()) return fail(ErrorKind::usage, "app \"" + app + "\" has no source to deploy the latest build of");
  return wanted;
}

net::Task<Result<api::PlanView>> Daemon::plan(std::string app, api::DeployRequest request) {
  if (!up_) co_return fail(ErrorKind::unreachable, "fleetd is still starting");
  CO_TRY(auto request_for_plan, wanted(app, std::move(request)));
  co_return co_await executor_->plan_deploy(std::move(app), std::move(request_for_plan));
}

Result<api::DeploymentId> Daemon::deploy(const std::string& app, api::DeployRequest request) {
  const bool if_changed = request.if_changed;
  TRY(auto asked, wanted(app, std::move(request)));
  if (if_changed) TRYV(executor_->know_source(app, asked));
  return executor_->request(app, std::move(asked));
}

Result<api::DeploymentId> Daemon::rollback(const std::string& app, std::optional<std::uint64_t> release,
                                           const std::string& requested_by) {
  plan::Request wanted;
  wanted.kind = plan::RolloutKind::rollback;
  wanted.release = release.value_or(0);
  wanted.requested_by = requested_by;
  return executor_->request(app, std::move(wanted));
}

Result<api::DeploymentId> Daemon::restart(const std::string& app, const std::string& requested_by) {
  plan::Request wanted;
  wanted.kind = plan::RolloutKind::restart;
  wanted.requested_by = requested_by;
  return executor_->request(app, std::move(wanted));
}

Result<> Daemon::abort(api::DeploymentId id, const std::string& requested_by) { return executor_->abort(id, requested_by); }

net::Task<Result<api::HoldView>> Daemon::hold(std::string name, milliseconds at_most, std::string requested_by) {
  if (!up_) co_return fail(ErrorKind::unreachable, "fleetd is still starting");
  CO_TRYV(co_await executor_->hold(name, at_most, std::move(requested_by)));
  co_await workers_.refresh(milliseconds(200));
  api::HoldView view;
  view.app = name;
  if (const auto* app = executor_->app(name)) {
    if (app->state.held_until.count() > 0) view.held_until = executor_->at(app->state.held_until);
    for (const auto& instance : app->state.instances) view.in_flight += workers_.in_flight(instance.id);
  }
  co_return view;
}

net::Task<Result<api::HoldView>> Daemon::unhold(std::string name, std::string requested_by) {
  return hold(std::move(name), milliseconds(0), std::move(requested_by));
}

}  // namespace fleet
