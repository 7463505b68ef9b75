#include "daemon.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdlib>
#include <random>

#include "cgroups.hpp"
#include "child.hpp"
#include "config/load.hpp"
#include "guard.hpp"
#include "log_archive.hpp"
#include "os/file_stamp.hpp"
#include "os/process.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kEventsRestored = 4096;
constexpr const char *kApi = "api", *kApiTcp = "api-tcp";  // names of sockets that are handed down
constexpr milliseconds kLastAnswers = 1s;                  // for requests under way when another fleetd takes over
constexpr auto kWorkersUp = 20s;
constexpr auto kBetweenSaves = 1s;  // while saving fails
constexpr auto kShimsGreet = 10s;   // all of them; a program whose shim does not is ended

// This fleet, among all that a request may pass through.
std::string new_node_name() {
  std::random_device random;
  return "fleet-" + std::to_string(random());
}

void tell_systemd_of_a_reload() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
}

void warn_of_root(const Config& config) {
  if (::geteuid() != 0 || config.allow_root) return;
  for (const auto& app : config.apps) {
    if (!app.run.user.empty()) continue;
    spdlog::warn("fleetd is root, and so is the application: give it a user, run fleetd as its own user, as deploy/systemd "
                 "does, or accept it with [fleet] allow_root = true app={}", app.name);
  }
}

}  // namespace

Daemon::Daemon(net::asio::io_context& io, std::string config_file, Config config, Paths paths, Store store)
    : io_(io),
      config_file_(std::move(config_file)),
      config_stamp_(os::file_stamp(config_file_)),
      config_(std::move(config)),
      paths_(std::move(paths)),
      store_(std::move(store)),
      tasks_(io),
      events_(io),
      workers_(io, tasks_, paths_, listeners_,
               Workers::Events{[this](std::uint64_t generation) { executor_->acked(generation); },
                               [this](const std::string& target) { executor_->drained(target); },
                               [this](api::EventView event) { executor_->report(std::move(event)); },
                               [this](const KeptFigures& kept) { keep_figures(kept); }}),
      keyring_(
          io, paths_.tls(), [this](wire::Keys keys) { return workers_.set_keys(std::move(keys)); },
          [this](api::EventView event) { executor_->report(std::move(event)); }),
      server_(io, *this),
      node_(new_node_name()) {
  store_.tell([this](const Result<>& saved) { note_saving(saved); });
}

// ---- coming up -----------------------------------------------------------------------------------------------------

net::Task<Result<>> Daemon::come_up() {
  CO_TRY(auto saved_events, store_.events(kEventsRestored));
  events_.restore(std::move(saved_events));

  warn_of_root(config_);
  os::Fd former_api = take_up(inherited_fds());
  auto found = co_await find_shims();
  const bool nothing_runs = found.empty();
  Executor::World world{io_, tasks_, paths_, store_, workers_, events_};
  CO_TRY(executor_, Executor::load(world, config_));
  co_await adopt_workers(found);
  CO_TRYV(listeners_.prepare(config_.proxy));
  listeners_.drop_others(config_.proxy);
  listeners_.keep_with_systemd();

  end_what_was_left(found);
  if (store_.is_new()) CO_TRYV(executor_->rebuild(found, workers_.highest_generation()));
  CO_TRY(const auto last_boot, store_.get("boot_id"));
  executor_->recover(found, last_boot != os::boot_id() ? Since::reboot : nothing_runs ? Since::standstill : Since::away);
  CO_TRYV(store_.put("boot_id", os::boot_id()));
  for (auto& [id, shim] : found) executor_->sweep(id, std::move(shim));
  restore_figures();
  workers_.rotate_logs({config_.proxy.access_log_size, config_.proxy.access_log_keep});
  workers_.set_settings(settings());
  workers_.begin(config_.proxy.workers, keyring_.begin(config_, workers_.take_held_keys()), executor_->table());
  tasks_.spawn(keyring_.keep_current());
  tasks_.spawn(poller_.run(*executor_));
  tasks_.spawn(keep_logs_compressed(io_, paths_, [this]() -> const Config& { return config_; }));

  CO_TRYV(server_.open(paths_.api_socket(), std::move(former_api)));
  paths_.share_api_socket();
  CO_TRYV(server_.configure(config_.api));
  up_ = true;
  CO_TRYV(co_await workers_.wait_accepting(kWorkersUp));
  co_await executor_->wait_settled();
  spdlog::info("fleetd is ready socket={} apps={} workers={}", paths_.api_socket(), config_.apps.size(),
               config_.proxy.workers);
  ready_ = true;
  ::sd_notify(0, "READY=1\nSTATUS=serving");
  if (const auto former = former_version(); !former.empty()) {
    api::EventView event;
    event.type = api::EventType::daemon_upgraded;
    event.message = "fleetd " FLEET_VERSION " has taken over from " + former;
    executor_->report(std::move(event));
  }
  if (is_back_by_guard()) {
    api::EventView event;
    event.type = api::EventType::daemon_fell_back;
    event.message = "the fleetd that had taken over has ended soon after; fleetd " FLEET_VERSION " is back";
    spdlog::critical("{}", event.message);
    executor_->report(std::move(event));
  }
  co_return Result<>();
}

net::Task<std::map<std::string, FoundShim>> Daemon::find_shims() {
  std::map<std::string, Shim> dialled;  // all, before any is waited for
  for (const auto& id : shims_found(paths_)) {
    if (auto shim = Shim::dial(io_, paths_, id)) {
      dialled.emplace(id, std::move(*shim));
    } else {
      ::unlink(paths_.shim_socket(id).c_str());
      ::unlink(paths_.notify_socket(id).c_str());
    }
  }
  std::map<std::string, FoundShim> found;
  const auto until = std::chrono::steady_clock::now() + kShimsGreet;
  for (auto& [id, shim] : dialled) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    auto status = co_await shim.status_within(io_, std::max(left, 0ms));
    if (!status) {
      spdlog::error("a shim does not answer id={}: {}", id, status.error().text);
      continue;
    }
    found.emplace(id, FoundShim{std::move(shim), std::move(*status)});
  }
  co_return found;
}

net::Task<> Daemon::adopt_workers(std::map<std::string, FoundShim>& found) {
  for (const auto& id : workers_found(paths_)) {
    const auto shim = found.find(id);
    const bool has_shim = shim != found.end();
    std::optional<Shim> dialled;
    if (has_shim) {
      if (shim->second.status.state != wire::ShimState::running) {
        ::unlink(paths_.worker_socket(id).c_str());
        continue;
      }
      if (auto again = Shim::dial(io_, paths_, id)) dialled = std::move(*again);
    }
    const auto adopted = co_await workers_.adopt(id, std::move(dialled));
    if (adopted) {
      if (has_shim) found.erase(shim);
      continue;
    }
    const bool unreachable = adopted.error().kind == ErrorKind::unreachable;
    if (!unreachable) spdlog::warn("worker not adopted: {}", adopted.error().text);
    if (unreachable || has_shim) ::unlink(paths_.worker_socket(id).c_str());  // its shim is told to end it
  }
}

// What systemd keeps for us, and what our former self left open, which is told by the API's sockets among it: whoever
// connected to them meanwhile waits there. Returns the unix one, if there is one.
os::Fd Daemon::take_up(NamedFds handed_down) {
  os::Fd api;
  for (auto& [name, fd] : handed_down) {
    if (name == kApi) api = std::move(fd);
    else if (name == kApiTcp) server_.hand_down(std::move(fd));
    else if (const auto known = parse_store_name(name)) listeners_.adopt(known->first, known->second, std::move(fd));
  }
  for (auto& child : inherited_children()) {
    auto reaped = [](net::asio::io_context& io, os::Process process) -> net::Task<> {
      (void)co_await wait_exit(io, std::move(process));
    };
    tasks_.spawn(reaped(io_, std::move(child)));
  }
  return api;
}

// What is in cgroups though neither a shim nor a worker of that name is there, nor an instance that has lost its shim.
void Daemon::end_what_was_left(const std::map<std::string, FoundShim>& found) {
  std::set<std::string> known;
  for (const auto& id : workers_found(paths_)) known.insert(id);
  for (const auto& [id, shim] : found) known.insert(id);
  for (const auto* app : executor_->apps()) {
    for (const auto& instance : app->state.instances) {
      if (alive(instance)) known.insert(instance.id);
    }
  }
  end_other_cgroups(io_, tasks_, paths_, known);
}

// ---- going ---------------------------------------------------------------------------------------------------------

net::Task<> Daemon::obey_signals() {
  net::asio::basic_signal_set<net::Executor> signals(io_, SIGTERM, SIGINT, SIGHUP);
  for (;;) {
    auto [error, number] = co_await signals.async_wait(net::use_result);
    if (error) co_return;
    if (number != SIGHUP) {
      shutdown(false);
      continue;
    }
    auto reloaded = co_await reload();
    if (!reloaded) spdlog::error("configuration not reloaded, the former one stays in force: {}", reloaded.error().text);
  }
}

net::Task<> Daemon::feed_watchdog() {
  std::uint64_t within_us = 0;
  if (::sd_watchdog_enabled(0, &within_us) <= 0) co_return;
  net::Timer timer(io_);
  for (;;) {
    ::sd_notify(0, "WATCHDOG=1");
    timer.expires_after(std::chrono::microseconds(within_us / 3));
    auto [error] = co_await timer.async_wait(net::use_result);
    if (error) co_return;
  }
}

void Daemon::shutdown(bool stop_apps) {
  if (std::exchange(leaving_, true)) return;
  net::asio::co_spawn(io_.get_executor(), leave(stop_apps), net::asio::detached);
}

net::Task<> Daemon::leave(bool stop_apps) {
  ::sd_notify(0, "STOPPING=1");
  if (stop_apps) {
    milliseconds patience = 1s;
    for (const auto& app : config_.apps) patience = std::max(patience, app.drain.timeout);
    spdlog::info("stopping: draining the workers, then the applications deadline={}ms", patience.count());
    co_await workers_.drain_all(patience);
    co_await executor_->stop_all();
  } else {
    spdlog::info("fleetd ends; workers and applications go on serving");
  }
  server_.close();
  ::unlink(paths_.api_socket().c_str());
  if (stop_apps && !paths_.cgroups.empty()) (void)os::remove_cgroup(paths_.cgroups);
  // Whatever instant fleetd dies at, the next one takes over from what is saved and what runs. So there is nothing to
  // unwind, and unwinding would hang up on processes that are to go on.
  std::_Exit(0);
}

// ---- alarms --------------------------------------------------------------------------------------------------------

void Daemon::note_saving(const Result<>& saved) {
  const auto now = std::chrono::steady_clock::now();
  const auto change = saved ? not_saved_.worked(now) : not_saved_.failed(saved.error().text, now);
  if (change != Alarm::Change::raised) return;
  not_saved_since_ = wall_time();
  tasks_.spawn(tend_alarm());
}

// While it is on something is saved now and then, though there be nothing to save: that is how its end is found.
net::Task<> Daemon::tend_alarm() {
  const auto since = not_saved_since_, why = not_saved_.why();
  report_alarm(api::EventType::alarm_raised,
               "fleetd cannot save its state, so deploys stand still; what runs serves on: " + why);
  while (not_saved_.is_on()) {
    net::Timer pause(io_, kBetweenSaves);
    (void)co_await pause.async_wait(net::use_result);
    (void)store_.put("saved_at", wall_time());
  }
  report_alarm(api::EventType::alarm_cleared,
               "fleetd can save its state again; it could not since " + since + ": " + why);
}

void Daemon::report_alarm(api::EventType type, std::string message) {
  const auto level = type == api::EventType::alarm_raised ? spdlog::level::critical : spdlog::level::warn;
  spdlog::log(level, "{} {}", fleet::name(type), message);
  if (!executor_) return;
  api::EventView event;
  event.type = type;
  event.message = std::move(message);
  event.data.alarm = api::AlarmName::state_not_saved;
  executor_->report(std::move(event));
}

// ---- changing while it runs ----------------------------------------------------------------------------------------

// Everything that may be wrong is found out before anything changes.
net::Task<Result<>> Daemon::reload() {
  if (!up_) co_return fail(ErrorKind::unreachable, "fleetd is still starting");
  auto stamp = os::file_stamp(config_file_);
  auto config = config::load(config_file_);
  if (!config) co_return std::unexpected(config.error().error());
  if (config->state_dir != config_.state_dir || config->run_dir != config_.run_dir) {
    co_return fail(ErrorKind::usage, "state_dir and run_dir cannot be changed while fleetd runs");
  }
  if (std::exchange(reloading_, true)) co_return fail(ErrorKind::busy, "another reload is under way");
  auto taken = co_await take_config(std::move(*config));
  reloading_ = false;
  if (taken) {
    config_stamp_ = std::move(stamp);
  } else {
    listeners_.drop_others(config_.proxy);
    (void)server_.configure(config_.api);
  }
  co_return taken;
}

net::Task<Result<std::uint32_t>> Daemon::upgrade_proxy() {
  if (!up_) co_return fail(ErrorKind::unreachable, "fleetd is still starting");
  if (std::exchange(upgrading_, true)) co_return fail(ErrorKind::busy, "another upgrade is under way");
  spdlog::info("replacing the proxy workers program={}", paths_.programs + "/fleet-proxy");
  auto done = co_await workers_.upgrade();
  upgrading_ = false;
  co_return done;
}

net::Task<Result<api::UpgradeView>> Daemon::upgrade(std::string program, std::string requested_by) {
  if (!up_) co_return fail(ErrorKind::unreachable, "fleetd is still starting");
  if (std::exchange(upgrading_, true)) co_return fail(ErrorKind::busy, "another upgrade is under way");
  if (program.empty()) program = paths_.programs + "/fleetd";
  auto tried = co_await try_successor(program);
  if (!tried) {
    upgrading_ = false;
    co_return std::unexpected(tried.error());
  }
  spdlog::info("giving way to another fleetd program={} from={} to={} requested_by={}", program, FLEET_VERSION, tried->version,
               requested_by);
  successor_ = program;
  api::UpgradeView view;
  view.from = FLEET_VERSION;
  view.to = tried->version;
  view.program = std::move(program);
  co_return view;
}

// Reloads too, since the successor will read the configuration as it is now: what may be wrong with it, such as an
// address that is taken, is found out while there is still a fleetd.
net::Task<Result<Candidate>> Daemon::try_successor(std::string program) {
  CO_TRY(successor_file_, look_at_program(program));
  auto tried = co_await check_program(io_, program, config_file_);
  if (!tried) co_return tried;
  if (tried->protocol != wire::kProtocol) {
    co_return fail(ErrorKind::usage, program + " will not do: it speaks protocol " + std::to_string(tried->protocol) +
                                         ", what runs speaks " + std::to_string(wire::kProtocol));
  }
  if (tried->state_dir != config_.state_dir || tried->run_dir != config_.run_dir) {
    co_return fail(ErrorKind::usage, "state_dir and run_dir cannot be changed while fleetd runs");
  }
  auto reloaded = co_await reload();
  if (!reloaded) co_return std::unexpected(reloaded.error());
  co_return tried;
}

void Daemon::take_over() { net::asio::co_spawn(io_.get_executor(), give_way(), net::asio::detached); }

net::Task<> Daemon::give_way() {
  co_await server_.pause(kLastAnswers);
  auto kept = listeners_.by_name();
  kept.emplace_back(kApi, server_.unix_listener());
  if (server_.tcp_listener() >= 0) kept.emplace_back(kApiTcp, server_.tcp_listener());
  const auto file = look_at_program(successor_);
  Error error = fail(successor_ + " has been changed since it was tried").error();
  if (file && *file == successor_file_) {
    auto guard = Guard::leave(paths_.api_socket());
    if (!guard) spdlog::warn("should the other fleetd end soon, nobody makes this one of it again: {}", guard.error().text);
    tell_systemd_of_a_reload();
    error = become(successor_, kept);
    if (guard) guard->dismiss();
  }
  spdlog::error("no other fleetd has taken over, this one goes on: {}", error.text);
  ::sd_notify(0, "READY=1");
  upgrading_ = false;
  server_.resume();
}

ProxySettings Daemon::settings() const {
  auto settings = config_.proxy.settings;
  settings.node = node_;
  return settings;
}

net::Task<Result<>> Daemon::take_config(Config config) {
  CO_TRYV(listeners_.prepare(config.proxy));
  CO_TRYV(server_.configure(config.api));
  CO_TRYV(executor_->configure(config));
  config_ = std::move(config);
  workers_.set_settings(settings());
  listeners_.drop_others(config_.proxy);
  listeners_.keep_with_systemd();
  co_await keyring_.configure(config_);
  workers_.configure(config_.proxy.workers);
  workers_.rotate_logs({config_.proxy.access_log_size, config_.proxy.access_log_keep});
  spdlog::info("configuration reloaded file={}", config_file_);
  api::EventView event;
  event.type = api::EventType::config_reloaded;
  event.message = "configuration reloaded";
  executor_->report(std::move(event));
  co_return Result<>();
}

}  // namespace fleet
