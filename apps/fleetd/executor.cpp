#include "executor.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <random>
#include <set>

#include "api/public_url.hpp"
#include "app_file.hpp"
#include "core/signal_names.hpp"
#include "fetch_job.hpp"
#include "hooks.hpp"
#include "os/dirs.hpp"
#include "probe.hpp"
#include "rebuild.hpp"
#include "secrets.hpp"
#include "views.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kEventsKept = 10'000, kEventsPruned = 1'000;  // pruned after so many new ones
constexpr auto kSaveRetry = 1s;
constexpr milliseconds kBetweenLooks{200};  // at what no event tells of
constexpr auto kTold = 10s;  // in which every worker has a table, or a successor that has

// Of the clock that all processes of the machine share, until it is booted again.
milliseconds machine_time() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

int stop_signal(const AppConfig& config) { return parse_signal(config.drain.stop_signal).value_or(SIGTERM); }

bool port_is_free(std::uint16_t port) {
  const os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // With SO_REUSEADDR as servers set it: only a socket that listens is in the way.
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Result<> make_folders(const Paths& paths, const AppConfig& app) {
  auto confined = confinement_of(app.run);
  auto made = confined ? paths.make_for_app(app.name, confined->as) : Result<>(std::unexpected(confined.error()));
  if (!made) return std::unexpected(std::move(made.error()).in("app \"" + app.name + "\""));
  return {};
}

// Not configured, and nothing of it is left but its record: numbers are never used twice, and when it is configured
// again its current release is.
bool is_gone(const Executor::App& app) {
  return !app.configured && app.state.removed && app.state.instances.empty() && !app.state.rollout;
}

}  // namespace

Executor::Executor(World world)
    : world_(world),
      instances_(world.io, world.tasks, world.paths,
                 [this](const std::string& app, plan::Event event) { feed(app, std::move(event)); }),
      probes_(world.io, world.tasks,
              [this](const std::string& app, const std::string& instance, ProbeReport report) {
                feed(app, plan::Probed{instance, report.outcome, std::move(report.detail)});
              }),
      wake_(world.io),
      settled_(world.io) {
  settled_.expires_at(net::Timer::time_point::max());
}

Result<std::unique_ptr<Executor>> Executor::load(World world, const Config& config) {
  std::unique_ptr<Executor> self(new Executor(world));
  self->config_ = config;
  const auto number = [](const std::string& text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  TRY(const auto generation, world.store.get("generation"));
  TRY(const auto next_deployment, world.store.get("next_deployment"));
  TRY(const auto clock, world.store.get("clock_ms"));
  self->generation_ = number(generation);
  self->next_deployment_ = std::max<std::uint64_t>(1, number(next_deployment));
  self->clock_ = AttendedClock(milliseconds(number(clock)));

  TRY(auto states, world.store.apps());
  for (auto& state : states) {
    auto app = std::make_unique<App>();
    app->config.name = state.name;  // with defaults, unless it is still configured
    app->configured = false;
    app->state = std::move(state);
    self->apps_[app->state.name] = std::move(app);
  }
  TRY(auto running, world.store.running_deployments());
  for (auto& record : running) {
    if (auto* app = self->find(record.view.app)) app->running[record.view.id] = std::move(record);
  }
  for (const auto& wanted : config.apps) {
    auto& app = self->apps_[wanted.name];
    if (!app) app = std::make_unique<App>();
    app->config = wanted;
    app->state.name = wanted.name;
    app->configured = true;
    self->make_place(*app);
    const CurrentRelease current{app->state.current, app->state.current_sha256};
    const bool noted = current.number == 0 || read_current(world.paths, wanted.name) == current;
    if (!noted) self->note_current({}, app->state);  // died between the two, or a former version has not
  }
  for (auto& [name, app] : self->apps_) {  // also of those that a reload may bring back
    TRY(const auto releases, world.store.releases(name));
    for (const auto& release : releases) {
      if (!release.retained) continue;
      app->retained.insert(release.number);
      if (release.build != BuildConfig()) app->builds[release.number] = release.build;
    }
    merge(*app);
  }
  if (auto removed = os::remove_tree(world.paths.plans()); !removed) spdlog::warn("{}", removed.error().text);
  for (auto& [name, app] : self->apps_) app->fetcher = std::make_unique<Fetcher>(world.io, world.tasks, world.paths);
  self->world_.tasks.spawn(self->tick());
  self->world_.tasks.spawn(self->retain_by_age());
  return self;
}

// ---- the beginning and the end -------------------------------------------------------------------------------------

net::Task<> Executor::wait_settled() {
  const auto settled = [](const auto& entry) { return plan::is_settled(entry.second->state); };
  while (!std::ranges::all_of(apps_, settled)) {
    (void)co_await settled_.async_wait(net::use_result);
    if (closing_) co_return;
  }
  co_await world_.workers.wait_told();
}

net::Task<> Executor::stop_all() {
  closing_ = true;
  settled_.cancel();
  std::vector<AppConfig> all;
  for (const auto& [name, app] : apps_) {
    app->fetcher->cancel();
    all.push_back(app->config);
  }
  for (const auto& row : plan::stop_order(all)) {
    for (const auto& name : row) {
      const auto& app = *find(name);
      hang_up(app);
      for (const auto& instance : app.state.instances) {
        instances_.stop(instance.id, stop_signal(app.config), app.config.drain.stop_timeout);
      }
      if (app.state.rollout && !app.state.rollout->hooks.empty()) instances_.stop(app.state.rollout->hooks.back().id, SIGKILL, 0ms);
    }
    co_await instances_.wait_ended({row.begin(), row.end()});
  }
}

// ---- requests ------------------------------------------------------------------------------------------------------

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
  for (const auto& wanted : config.apps) TRYV(make_folders(world_.paths, wanted));
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

// ---- the loop ------------------------------------------------------------------------------------------------------

void Executor::feed(const std::string& app, plan::Event event) {
  if (closing_) return;
  queue_.emplace_back(app, std::move(event));
  work();
}

void Executor::work() {
  if (working_ || (retry_at_ && std::chrono::steady_clock::now() < *retry_at_)) return;
  working_ = true;
  while (!queue_.empty() || follow_up()) {
    auto [name, event] = std::move(queue_.front());
    queue_.pop_front();
    App* app = find(name);
    if (!app) continue;
    if (auto done = process(*app, event); !done) {
      // Nothing is done that is not on record. What has happened is kept until it can be.
      if (!retry_at_) spdlog::critical("cannot save, deploys stand still until it works: {}", done.error().text);
      queue_.emplace_front(std::move(name), std::move(event));
      retry_at_ = std::chrono::steady_clock::now() + kSaveRetry;
      wake_.cancel();
      break;
    }
    if (std::exchange(retry_at_, std::nullopt)) spdlog::warn("saving works again");
  }
  working_ = false;
}

// What one app's state means for another, and what an app's own calls for. Whether there is something to do.
bool Executor::follow_up() {
  if (!recovered_ || closing_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (!state_changed_ && now < look_again_) return false;
  state_changed_ = false;
  look_again_ = now + kBetweenLooks;
  for (auto& [name, app] : apps_) {
    if (!app->state.awaits.empty()) {
      auto left = unready(app->state.awaits);
      if (left != app->state.awaits) queue_.emplace_back(name, plan::Awaits{std::move(left)});
    }
    auto due = plan::due_rollback(app->state);
    const bool idle = app->configured && !app->state.rollout && app->state.current != 0;
    if (!due && idle && instances_.wants_successors(name)) {
      instances_.successors_asked_for(name);
      due.emplace().kind = plan::RolloutKind::restart;
      due->requested_by = "fleetd";
    }
    if (!due) continue;
    auto request = admitted(*app, *due);
    if (request) queue_.emplace_back(name, std::move(*request));
    else if (request.error().kind != ErrorKind::busy && due->kind == plan::RolloutKind::rollback) {
      queue_.emplace_back(name, plan::CannotRollBack{request.error().text});
    }
  }
  return !queue_.empty();
}

std::vector<std::string> Executor::unready(const std::vector<std::string>& apps) const {
  std::vector<std::string> left;
  for (const auto& name : apps) {
    const auto found = apps_.find(name);
    if (found != apps_.end() && found->second->configured && !plan::lets_others_start(found->second->state)) left.push_back(name);
  }
  return left;
}

Result<> Executor::process(App& app, const plan::Event& event) {
  const auto generation = generation_ + 1;
  const plan::Context context{app.config, clock_.now(), generation, &app.merged};
  if (const auto probing = plan::probe_only(app.state, event, context)) {
    for (const auto& id : probing->probe) perform(app, plan::Probe{id});
    wake_by(app, probing->wake_at);
    return {};
  }
  auto step = plan::step(app.state, event, context);
  give_addresses(app, step.state);
  const bool publishes = std::ranges::any_of(
      step.actions, [](const plan::Action& action) { return std::holds_alternative<plan::Publish>(action); });
  const bool changed = step.state != app.state || std::ranges::any_of(step.actions, [](const plan::Action& action) {
                         return !std::holds_alternative<plan::Probe>(action);
                       });
  if (changed) TRYV(save(app, step, publishes ? generation : generation_));
  app.state = std::move(step.state);
  if (publishes) generation_ = generation;
  if (changed) hang_up(app);
  for (const auto& action : step.actions) perform(app, action);
  wake_by(app, step.wake_at);
  if (changed) {
    wake_.cancel();
    settled_.cancel();
    state_changed_ = true;
  }
  return {};
}

// A look that comes too early does no harm; to move it for each of hundreds of probes costs more.
void Executor::wake_by(App& app, std::optional<milliseconds> at) {
  app.wake_at = at;
  if (at && *at < looks_at_) wake_.cancel();
}

// All that this step leaves behind is on record, or nothing is: not on disk, not in memory, not said to anybody.
Result<> Executor::save(App& app, const plan::Step& step, std::uint64_t generation) {
  std::vector<api::EventView> events;
  for (const auto& action : step.actions) {
    if (const auto* report = std::get_if<plan::Report>(&action)) events.push_back(event_of(app.state.name, *report));
    if (const auto* publish = std::get_if<plan::Publish>(&action)) {
      events.push_back(published_event(app.state.name, publish->generation));
    }
  }
  std::vector<DeploymentRecord> over;
  for (const auto& action : step.actions) {
    if (const auto* finish = std::get_if<plan::Finish>(&action)) {
      over.push_back(finished(app, finish->rollout, step.state));
      events.push_back(finished_event(over.back().view));
    }
  }
  std::optional<DeploymentRecord> running;
  if (step.state.rollout) running = record_of(app, *step.state.rollout, step.state);
  for (const auto& action : step.actions) {
    if (const auto* blame = std::get_if<plan::Blame>(&action)) TRYV(count_against(blame->watch, running, over));
  }
  const auto health = std::string(plan::health_of(step.state));
  if (health != app.health) events.push_back(health_event(app.state.name, health));
  const auto first_event = world_.events.last_seq() + 1;

  TRYV(world_.store.save([&]() -> Result<> {
    TRYV(world_.store.put_app(step.state));
    TRYV(world_.store.put("generation", std::to_string(generation)));
    TRYV(world_.store.put("next_deployment", std::to_string(next_deployment_)));
    TRYV(world_.store.put("clock_ms", std::to_string(clock_.now().count())));
    if (running) TRYV(world_.store.put_deployment(*running));
    for (const auto& record : over) TRYV(world_.store.put_deployment(record));
    TRYV(save_releases(app, step));
    for (std::size_t i = 0; i < events.size(); ++i) {
      events[i].seq = first_event + i;  // as publish() will number them
      TRYV(world_.store.put_event(events[i]));
    }
    return {};
  }));
  app.health = health;
  note_current(app.state, step.state);
  for (const auto& record : over) app.running.erase(record.view.id);
  if (running) app.running[running->view.id] = std::move(*running);
  for (auto& event : events) world_.events.publish(std::move(event));
  if (world_.events.last_seq() / kEventsPruned != (first_event - 1) / kEventsPruned) {
    (void)world_.store.prune_events(kEventsKept);
  }
  return {};
}

// Where an instance listens, and with what environment it begins, is chosen before the state is saved, so that a process is never started on what is not on
// record. One that finds no port keeps port 0.
void Executor::give_addresses(const App& app, plan::AppState& state) {
  const auto lacks_one = [](const plan::Instance& instance) {
    return instance.phase == plan::InstancePhase::starting && instance.port == 0 && instance.socket.empty();
  };
  if (std::ranges::none_of(state.instances, lacks_one)) return;
  std::set<std::uint16_t> taken;
  for (const auto& [name, other] : apps_) {
    for (const auto& instance : other->state.instances) taken.insert(instance.port);
  }
  static std::minstd_rand random{std::random_device{}()};
  const auto span = static_cast<std::uint32_t>(config_.port_last - config_.port_first + 1);
  for (auto& instance : state.instances) {
    if (!lacks_one(instance)) continue;
    note_setting(world_.paths, config_of(app, instance.release), instance);
    instance.sha256 = plan::build_of(state, instance.release);
    if (app.config.listen == Listens::unix_) {
      instance.socket = world_.paths.http_socket(app.state.name, instance.id);
      continue;
    }
    const auto first = static_cast<std::uint32_t>(random()) % span;
    for (std::uint32_t i = 0; i < span && instance.port == 0; ++i) {
      const auto port = static_cast<std::uint16_t>(config_.port_first + (first + i) % span);
      if (!taken.contains(port) && port_is_free(port)) instance.port = port;
    }
    taken.insert(instance.port);
  }
}

// What is on record holds; this is for when that is lost.
void Executor::note_current(const plan::AppState& before, const plan::AppState& now) const {
  if (before.current == now.current && before.current_sha256 == now.current_sha256) return;
  const auto written = write_current(world_.paths, now.name, {now.current, now.current_sha256});
  if (!written) spdlog::warn("cannot note the current release app={}: {}", now.name, written.error().text);
}

// Gives each app its Tick when it asked for one, and tries again to save what could not be.
net::Task<> Executor::tick() {
  while (!closing_) {
    work();
    const auto now = clock_.now();
    auto next = now + std::chrono::duration_cast<milliseconds>(AttendedClock::kBeat) / 2;
    std::vector<std::string> due, over;
    for (const auto& [name, app] : apps_) {
      if (const auto held = app->state.held_until; held.count() > 0 && recovered_) {
        const auto left = held - machine_time();
        if (left.count() <= 0) over.push_back(name);
        else next = std::min(next, now + left);
      }
      if (!app->wake_at) continue;
      if (*app->wake_at <= now) due.push_back(name);
      else next = std::min(next, *app->wake_at);
    }
    for (const auto& name : due) {
      find(name)->wake_at.reset();
      feed(name, plan::Tick{});
    }
    for (const auto& name : over) feed(name, plan::Unhold{"its time is over"});
    if ((!due.empty() || !over.empty()) && !retry_at_) continue;
    if (retry_at_) next = std::min(next, now + kSaveRetry);
    looks_at_ = next;
    wake_.expires_after(next - now);
    (void)co_await wake_.async_wait(net::use_result);
  }
}

// ---- actions -------------------------------------------------------------------------------------------------------

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
      else instances_.stop(a.instance, stop_signal(app.config), app.config.drain.stop_timeout);
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

// Its folders, with their owners. What keeps them from being made, a user that this machine lacks for example, is this
// app's trouble alone.
void Executor::make_place(App& app) {
  const auto made = make_folders(world_.paths, app.config);
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

// ---- what others ask and tell --------------------------------------------------------------------------------------

void Executor::acked(std::uint64_t generation) {
  for (const auto& [name, app] : apps_) {
    const bool waits = app->state.rollout || std::ranges::any_of(app->state.instances, [](const plan::Instance& i) {
                         return i.phase == plan::InstancePhase::evicting;
                       });
    if (waits && !closing_) queue_.emplace_back(name, plan::Acked{generation});
  }
  settled_.cancel();
  work();
}

void Executor::drained(const std::string& target) {
  for (const auto& [name, app] : apps_) {
    const auto found = std::ranges::find(app->state.instances, target, &plan::Instance::id);
    if (found != app->state.instances.end() && found->phase == plan::InstancePhase::draining) {
      return feed(name, plan::Drained{target});
    }
  }
}

void Executor::report(api::EventView event) {
  if (event.time.empty()) event.time = wall_time();
  // One that cannot be saved is told all the same: it says what has happened already.
  if (auto saved = world_.store.put_event(world_.events.publish(std::move(event))); !saved) {
    spdlog::warn("cannot save an event: {}", saved.error().text);
  }
}

RouteTable Executor::table() const {
  RouteTable table;
  table.generation = generation_;
  for (const auto& [name, app] : apps_) {
    if (!app->configured && app->state.instances.empty()) continue;
    table.routes.push_back(plan::route_of(app->state, app->config));
    table.routes.back().assets = assets_of(*app);
  }
  return table;
}

std::vector<const Executor::App*> Executor::apps() const {
  std::vector<const App*> all;
  for (const auto& [name, app] : apps_) {
    if (!is_gone(*app)) all.push_back(app.get());
  }
  return all;
}

const Executor::App* Executor::app(const std::string& name) const {
  const auto found = apps_.find(name);
  return found == apps_.end() || is_gone(*found->second) ? nullptr : found->second.get();
}

Executor::App* Executor::find(const std::string& name) {
  const auto found = apps_.find(name);
  return found == apps_.end() ? nullptr : found->second.get();
}

std::string Executor::since(milliseconds planner_time) {
  return wall_time(std::chrono::system_clock::now() - (clock_.now() - planner_time));
}

std::string Executor::at(milliseconds machine_time_then) {
  return wall_time(std::chrono::system_clock::now() + (machine_time_then - machine_time()));
}

// It may serve, but cannot be started again.
bool Executor::lacks_files(const App& app) const {
  return app.state.current != 0 && !release_kept(app.state.name, app.state.current);
}

std::string Executor::problem_of(const App& app) const {
  if (!app.problem.empty() || !app.configured || !lacks_files(app)) return app.problem;
  return "the files of v" + std::to_string(app.state.current) + " are gone: deploy it again";
}

bool Executor::release_kept(const std::string& app, std::uint64_t release) const {
  std::error_code error;
  return std::filesystem::is_directory(world_.paths.release(app, release), error);
}

}  // namespace fleet
