// What people and programs ask for, made events of the planner where it may be.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "executor.hpp"
#include "views.hpp"

namespace fleet {
namespace {

constexpr std::chrono::seconds kTold{10};  // in which every worker has a table, or a successor that has

}  // namespace

// As it may be given to the planner: with its number, and what is known of the release.
Result<plan::Request> Executor::admitted(App& app, plan::Request request) {
  const auto& name = app.state.name;
  if (!app.configured) return fail(ErrorKind::not_found, "no app \"" + name + "\" is configured");
  if (!app.problem.empty()) make_place(app);
  if (!app.problem.empty()) return fail(ErrorKind::usage, app.problem);
  auto may = plan::admit(app.state, request, [&](std::uint64_t release) { return release_kept(name, release); });
  if (!may && may.error().kind == ErrorKind::busy) may.error().text += ", since " + since(app.state.rollout->began);
  TRYV(std::move(may));
  if (request.kind != plan::RolloutKind::deploy) {
    const auto target = request.kind == plan::RolloutKind::restart ? app.state.current
                        : request.release != 0                     ? request.release
                                                                   : app.state.previous;
    TRY(const auto releases, world_.store.releases(name));
    const auto known = std::ranges::find(releases, target, &Release::number);
    if (known != releases.end()) {
      request.sha256 = known->sha256;
      request.url = known->url;
    }
  }
  if (request.kind == plan::RolloutKind::deploy && lacks_files(app)) {
    request.anew = true;
    request.known_etag.clear();
  }
  request.deployment = next_deployment_++;
  spdlog::info("deployment asked for id={} app={} kind={} by=\"{}\"", request.deployment, name, fleet::name(request.kind),
               request.requested_by);
  world_.tasks.spawn(begin_receipt(name, request.deployment));
  return request;
}

Result<api::DeploymentId> Executor::request(const std::string& name, plan::Request asked) {
  App* app = find(name);
  if (!app) return fail(ErrorKind::not_found, "no app \"" + name + "\" is configured");
  if (closing_) return fail(ErrorKind::unreachable, "fleetd is shutting down");
  TRY(const auto request, admitted(*app, std::move(asked)));
  working_ = true;
  auto done = process(*app, request);
  working_ = false;
  work();
  if (!done) return std::unexpected(std::move(done.error()).in("cannot record the deployment"));
  return request.deployment;
}

Result<> Executor::abort(api::DeploymentId id, const std::string& requested_by) {
  for (auto& [name, app] : apps_) {
    if (!app->state.rollout || app->state.rollout->deployment != id) continue;
    TRYV(plan::admit_abort(app->state));
    feed(name, plan::Abort{requested_by});
    return {};
  }
  TRY(const auto record, world_.store.deployment(id));
  if (!record) return fail(ErrorKind::not_found, "there is no deployment " + std::to_string(id));
  return fail(ErrorKind::usage, "deployment " + std::to_string(id) + " is over");
}

net::Task<Result<>> Executor::hold(std::string name, milliseconds at_most, std::string requested_by) {
  App* app = find(name);
  if (!app || !app->configured) co_return fail(ErrorKind::not_found, "no app \"" + name + "\" is configured");
  if (closing_) co_return fail(ErrorKind::unreachable, "fleetd is shutting down");
  plan::Event event = plan::Unhold{"asked for by " + requested_by};
  if (at_most.count() > 0) event = plan::Hold{machine_time() + at_most, std::move(requested_by)};
  working_ = true;
  auto done = process(*app, event);
  working_ = false;
  work();
  if (!done) co_return std::unexpected(std::move(done.error()).in("cannot record it"));
  const auto generation = generation_;
  const auto until = std::chrono::steady_clock::now() + kTold;
  while (world_.workers.acked() < generation && std::chrono::steady_clock::now() < until && !closing_) {
    net::Timer pause(world_.io, milliseconds(5));
    (void)co_await pause.async_wait(net::use_result);
  }
  if (world_.workers.acked() < generation) co_return fail(ErrorKind::unreachable, "not all workers have confirmed it");
  co_return Result<>();
}

Result<> Executor::configure(const Config& config) {
  for (const auto& wanted : config.apps) TRYV(make_folders(wanted));
  config_ = config;
  for (auto& [name, app] : apps_) {
    const bool stays = std::ranges::any_of(config.apps, [&](const AppConfig& a) { return a.name == name; });
    if (stays || !app->configured) continue;
    app->configured = false;
    feed(name, plan::Removed{});
  }
  for (const auto& wanted : config.apps) {
    auto& app = apps_[wanted.name];
    if (!app) {
      app = std::make_unique<App>();
      app->state.name = wanted.name;
      app->fetcher = std::make_unique<Fetcher>(world_.io, world_.tasks, world_.paths);
    }
    const bool same = app->configured && app->config == wanted;
    app->config = wanted;
    app->configured = true;
    app->problem.clear();
    merge(*app);
    if (!same) feed(wanted.name, plan::Configured{});
  }
  return {};
}

}  // namespace fleet
