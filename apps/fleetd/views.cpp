#include "views.hpp"

#include <algorithm>

#include "api/public_url.hpp"
#include "clock.hpp"

namespace fleet {
namespace {

api::EventView event(const std::string& app, api::EventType type, std::string message) {
  api::EventView view;
  view.time = wall_time();
  view.app = app;
  view.type = type;
  view.message = std::move(message);
  return view;
}

// The API's names are the planner's; a name that only one of them has does not compile away, it shows in the tests.
template <class Api, class Plan>
Api same_name(Plan value) {
  return from_name<Api>(name(value)).value_or(Api{});
}

std::string version(std::uint64_t release) { return "v" + std::to_string(release); }

}  // namespace

api::Progress show_progress(const wire::FetchProgress& progress) {
  api::Progress shown{same_name<api::Step>(progress.phase), progress.bytes, progress.total, progress.rate, {}};
  if (progress.rate > 0 && progress.total >= progress.bytes && progress.total > 0) {
    const auto seconds = static_cast<double>(progress.total - progress.bytes) / static_cast<double>(progress.rate);
    shown.remaining_ms = milliseconds(static_cast<std::int64_t>(std::min(seconds, 1e9) * 1000));
  }
  return shown;
}

api::EventView event_of(const std::string& app, const plan::Report& report) {
  auto view = event(app, same_name<api::EventType>(report.kind), report.message);
  if (report.deployment != 0) view.deployment = report.deployment;
  view.data.instance = report.instance;
  view.data.release = report.release;
  view.data.pid = report.pid;
  view.data.port = report.port;
  view.data.exit_code = report.exit_code;
  view.data.signal = report.signal;
  if (report.hook) view.data.hook = same_name<api::Hook>(*report.hook);
  if (report.phase) view.data.phase = same_name<api::Phase>(*report.phase);
  return view;
}

api::EventView published_event(const std::string& app, std::uint64_t generation) {
  auto view = event(app, api::EventType::route_published, "table " + std::to_string(generation) + " is published");
  view.data.generation = generation;
  return view;
}

api::EventView progress_event(const std::string& app, api::DeploymentId id, const api::Progress& progress) {
  auto view = event(app, api::EventType::deployment_progress, std::string(name(progress.step)));
  view.deployment = id;
  view.data.step = progress.step;
  view.data.bytes = progress.bytes;
  view.data.total = progress.total;
  if (progress.rate > 0) view.data.rate = progress.rate;
  view.data.remaining_ms = progress.remaining_ms;
  return view;
}

api::EventView finished_event(const api::DeploymentView& deployment) {
  auto view = event(deployment.app, api::EventType::deployment_finished,
                    std::string(name(deployment.state)) + (deployment.error ? ": " + deployment.error->text : ""));
  view.deployment = deployment.id;
  view.data.outcome = deployment.outcome;
  view.data.release = deployment.release;
  if (deployment.error) view.data.error_kind = deployment.error->kind;
  return view;
}

api::EventView health_event(const std::string& app, const std::string& health) {
  auto view = event(app, api::EventType::app_state, app + " is " + health);
  view.data.state = from_name<api::AppState>(health);
  return view;
}

void show_rollout(api::DeploymentView& view, const plan::Rollout& rollout) {
  view.kind = same_name<api::DeploymentKind>(rollout.kind);
  view.url = api::public_url(rollout.url);
  view.sha256 = rollout.sha256;
  if (rollout.release != 0) view.release = rollout.release;
  if (rollout.previous != 0) view.previous_release = rollout.previous;
  view.phase = same_name<api::Phase>(rollout.phase);
  view.requested_by = rollout.requested_by;
  view.hooks.clear();
  for (const auto& run : rollout.hooks) {
    auto& hook = view.hooks.emplace_back();
    hook.hook = same_name<api::Hook>(run.hook);
    hook.state = same_name<api::HookState>(run.phase);
    hook.id = run.id;
    hook.exit_code = run.exit_code;
    hook.signal = run.signal;
    hook.took_ms = run.took;
    hook.error = run.trouble;
  }
  view.phases.clear();
  for (const auto& phase : rollout.phases) view.phases.push_back({same_name<api::Phase>(phase.phase), phase.took});
  if (rollout.phase != plan::RolloutPhase::prepare) view.progress.reset();
  if (!rollout.error.empty()) {
    auto& error = view.error ? *view.error : view.error.emplace();
    error.kind = rollout.error_kind;
    error.text = rollout.error;
    error.exit_code = rollout.exit_code;
    error.signal = rollout.signal;
  }
  switch (rollout.outcome) {
    case plan::Outcome::pending:
      view.state = api::DeploymentState::running;
      view.outcome.reset();
      return;
    case plan::Outcome::changed:
    case plan::Outcome::already_current:
    case plan::Outcome::unchanged: view.state = api::DeploymentState::succeeded; break;
    case plan::Outcome::kept_old:
    case plan::Outcome::rolled_back:
      view.state = rollout.error_kind == ErrorKind::aborted && rollout.outcome == plan::Outcome::kept_old
                       ? api::DeploymentState::aborted
                       : api::DeploymentState::failed;
      break;
  }
  view.outcome = same_name<api::Outcome>(rollout.outcome);
}

api::InstanceView show_instance(const plan::Instance& instance, std::uint32_t in_flight, std::string since) {
  api::InstanceView view;
  view.id = instance.id;
  view.release = instance.release;
  view.state = same_name<api::InstanceState>(instance.phase);
  view.pid = plan::is_running(instance.phase) ? instance.pid : 0;
  view.port = instance.port;
  view.socket = instance.socket;
  view.in_flight = in_flight;
  view.restarts = instance.restarts;
  view.since = std::move(since);
  view.crashes = instance.crashes;
  view.crash_loop = instance.crashes >= plan::kCrashLoop;
  view.trouble = instance.trouble;
  view.sha256 = instance.sha256;
  return view;
}

std::string summary(const std::string& app, const plan::Rollout& rollout) {
  const auto what = std::string(name(rollout.kind)) + " " + std::to_string(rollout.deployment) + " of " + app;
  switch (rollout.outcome) {
    case plan::Outcome::changed: return what + " is done, current is " + version(rollout.release);
    case plan::Outcome::already_current: return what + ": " + version(rollout.release) + " is current already";
    case plan::Outcome::unchanged: return what + ": its source has not changed since " + version(rollout.release);
    case plan::Outcome::kept_old: return what + " failed, nothing has changed: " + rollout.error;
    case plan::Outcome::rolled_back: return what + " was undone: " + rollout.error;
    case plan::Outcome::pending: break;
  }
  return what;
}

}  // namespace fleet
