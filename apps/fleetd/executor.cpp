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

#include "os/dirs.hpp"
#include "rebuild.hpp"
#include "views.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kEventsKept = 10'000, kEventsPruned = 1'000;  // pruned after so many new ones
constexpr auto kSaveRetry = 1s;
constexpr milliseconds kBetweenLooks{200};  // at what no event tells of

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

milliseconds Executor::machine_time() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
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
      for (const auto& instance : app.state.instances) stop(app, instance.id);
      if (app.state.rollout && !app.state.rollout->hooks.empty()) instances_.stop(app.state.rollout->hooks.back().id, SIGKILL, 0ms);
    }
    co_await instances_.wait_ended({row.begin(), row.end()});
  }
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
