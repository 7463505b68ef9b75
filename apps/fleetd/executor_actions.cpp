// What the planner's actions do.
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "app_file.hpp"
#include "core/signal_names.hpp"
#include "executor.hpp"
#include "fetch_job.hpp"
#include "hooks.hpp"
#include "probe.hpp"
#include "views.hpp"

namespace fleet {

using namespace std::chrono_literals;

void Executor::perform(App& app, const plan::Action& action) {
  const auto& name = app.state.name;
  const auto instance = [&](const std::string& id) {
    return std::ranges::find(app.state.instances, id, &plan::Instance::id);
  };
  const auto visit = [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    if constexpr (std::is_same_v<A, plan::Fetch>) {
      do_action(app, a);
    } else if constexpr (std::is_same_v<A, plan::CancelFetch>) {
      app.fetcher->cancel();
    } else if constexpr (std::is_same_v<A, plan::DiscardRelease>) {
      discard_release(name, a.release);
    } else if constexpr (std::is_same_v<A, plan::Start>) {
      const auto found = instance(a.instance);
      if (found != app.state.instances.end()) start(app, *found);
    } else if constexpr (std::is_same_v<A, plan::Probe>) {
      const auto found = instance(a.instance);
      if (found != app.state.instances.end()) begin_probe(app, *found);
    } else if constexpr (std::is_same_v<A, plan::Stop>) {
      if (instance(a.instance) == app.state.instances.end()) instances_.stop(a.instance, SIGKILL, 0ms);  // a hook
      else stop(app, a.instance);
    } else if constexpr (std::is_same_v<A, plan::RunHook>) {
      if (app.state.rollout) instances_.run_hook(name, config_of(app, a.release), hook_setting(app.state, a, version_of(app, app.state.rollout->release)));
    } else if constexpr (std::is_same_v<A, plan::DropHook>) {
      instances_.drop(a.id);
    } else if constexpr (std::is_same_v<A, plan::Forget>) {
      instances_.forget(a.instance);
    } else if constexpr (std::is_same_v<A, plan::Publish>) {
      world_.workers.publish(table());
    } else if constexpr (std::is_same_v<A, plan::Report>) {
      spdlog::info("{} app={} {}", fleet::name(a.kind), name, a.message);
    } else if constexpr (std::is_same_v<A, plan::Finish>) {
      spdlog::info("{}", summary(name, a.rollout));
      if (a.rollout.outcome == plan::Outcome::changed) {
        retain(app);
        prune_instance_logs(app);
      }
    } else if constexpr (std::is_same_v<A, plan::KeepRelease>) {
      app.retained.insert(a.release);  // on record with the state
    } else {
      static_assert(std::is_same_v<A, plan::Blame>);  // likewise
    }
  };
  std::visit(visit, action);
}

Result<> Executor::make_folders(const AppConfig& app) const {
  auto confined = confinement_of(app.run);
  auto made = confined ? world_.paths.make_for_app(app.name, confined->as) : Result<>(std::unexpected(confined.error()));
  if (!made) return std::unexpected(std::move(made.error()).in("app \"" + app.name + "\""));
  return {};
}

// Its folders, with their owners. What keeps them from being made, a user that this machine lacks for example, is this
// app's trouble alone.
void Executor::make_place(App& app) {
  const auto made = make_folders(app.config);
  app.problem = made ? "" : made.error().text;
  if (!made) spdlog::error("cannot start anything of {}", app.problem);
}

void Executor::start(App& app, const plan::Instance& instance) {
  if (!app.problem.empty()) make_place(app);
  const bool has_address = instance.port != 0 || !instance.socket.empty();
  if (app.problem.empty() && has_address) {
    return instances_.start(app.state.name, config_of(app, instance.release), instance);
  }
  plan::Ended ended;
  ended.instance = instance.id;
  ended.how = "could not be started: " + app.problem;
  if (app.problem.empty()) {
    ended.how += "no free port between " + std::to_string(config_.port_first) + " and " +
                 std::to_string(config_.port_last) + " (see [fleet] ports)";
  }
  feed(app.state.name, std::move(ended));
}

void Executor::stop(const App& app, const std::string& instance) {
  const auto& drain = app.config.drain;
  instances_.stop(instance, parse_signal(drain.stop_signal).value_or(SIGTERM), drain.stop_timeout);
}

std::string Executor::version_of(const App& app, std::uint64_t release) {
  const auto releases = world_.store.releases(app.state.name);
  if (!releases) return "";
  const auto found = std::ranges::find(*releases, release, &Release::number);
  return found == releases->end() ? "" : found->version;
}

void Executor::merge(App& app) {
  app.merged.clear();
  for (const auto& [release, build] : app.builds) app.merged.emplace(release, merged(app.config, build));
}

const AppConfig& Executor::config_of(const App& app, std::uint64_t release) {
  const auto found = app.merged.find(release);
  return found == app.merged.end() ? app.config : found->second;
}

Result<> Executor::take_app_file(App& app, std::uint64_t release) {
  TRY(auto build, read_app_file(world_.paths.release(app.state.name, release), app.config.listen));
  app.builds.erase(release);
  if (build != BuildConfig()) app.builds[release] = std::move(build);
  merge(app);
  if (!config_of(app, release).command.empty()) return {};
  return fail(ErrorKind::verify, no_command(app.state.name));
}

// All but where it goes.
Result<wire::FetchJob> Executor::job_for(const App& app, const plan::Fetch& fetch) {
  TRY(auto job, fetch_job(app.config.fetch, fetch.url));
  TRYV(confine_fetch(config_, fetch.remote, job));
  job.known = known_builds(app);
  job.sha256 = fetch.sha256;
  job.known_etag = fetch.known_etag;
  if (!fetch.force) job.version = version_of(app, app.state.current);
  return job;
}

void Executor::do_action(App& app, const plan::Fetch& fetch) {
  app.fetched = {};
  const auto name = app.state.name;
  auto job = job_for(app, fetch);
  if (!job) return feed(name, plan::FetchFailed{ErrorKind::fetch, job.error().text});
  job->destination = world_.paths.release(name, fetch.release);
  app.fetcher->start(
      std::move(*job),
      [this, name](const wire::FetchProgress& progress) {
        App* mine = find(name);
        if (!mine || !mine->state.rollout) return;
        const auto running = mine->running.find(mine->state.rollout->deployment);
        if (running == mine->running.end()) return;
        auto& view = running->second.view;
        view.progress = show_progress(progress);
        world_.events.publish(progress_event(name, view.id, *view.progress));
      },
      [this, name, release = fetch.release](Result<wire::FetchDone> done) {
        App* mine = find(name);
        if (!mine) return;
        if (!done) return feed(name, plan::FetchFailed{done.error().kind, done.error().text});
        if (!done->unchanged) {
          if (auto taken = take_app_file(*mine, release); !taken) {
            discard_release(name, release);
            return feed(name, plan::FetchFailed{taken.error().kind, taken.error().text});
          }
        }
        mine->fetched = *done;
        feed(name, plan::Fetched{done->sha256, done->unchanged});
      });
}

Result<ProbeTarget> Executor::probe_target(const AppConfig& config, const plan::Instance& instance) const {
  ProbeTarget target;
  target.health = config.health;
  target.port = instance.port;
  target.socket = instance.socket;
  target.host = config.hosts.empty() || config.hosts.front().starts_with('*') ? "localhost" : config.hosts.front();
  const bool starts = instance.phase == plan::InstancePhase::warming || instance.phase == plan::InstancePhase::warm;
  if (starts && instance.port != 0) {
    TRY(const auto confined, confinement_of(config.run));
    const auto user = confined.as ? confined.as->uid : ::geteuid();
    if (user != 0) target.owners = {0, user};  // one that begins as root may listen as anybody
  }
  if (config.health.kind == HealthKind::command) {
    TRY(target.launch, check_of(world_.paths, config, instance));
  }
  return target;
}

void Executor::begin_probe(const App& app, const plan::Instance& instance) {
  auto target = probe_target(config_of(app, instance.release), instance);
  const bool in_rotation = instance.phase == plan::InstancePhase::ready;
  if (target) return probes_.begin(app.state.name, instance.id, std::move(*target), in_rotation);
  feed(app.state.name, plan::Probed{instance.id, plan::ProbeOutcome::failed, target.error().text});
}

// Before anything is done to those that have left rotation: a server that is to stop may wait for its connections to end.
void Executor::hang_up(const App& app) {
  probes_.hang_up(app.state.name, [&](const std::string& id) {
    const auto instance = std::ranges::find(app.state.instances, id, &plan::Instance::id);
    return !closing_ && instance != app.state.instances.end() && instance->phase == plan::InstancePhase::ready;
  });
}

}  // namespace fleet
