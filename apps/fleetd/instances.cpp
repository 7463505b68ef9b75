#include "instances.hpp"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cgroups.hpp"
#include "child.hpp"
#include "config/command.hpp"
#include "os/atomic_file.hpp"
#include "os/dirs.hpp"
#include "os/mounts.hpp"
#include "os/process.hpp"
#include "os/unix_socket.hpp"
#include "os/users.hpp"
#include "secrets.hpp"

namespace fleet {

struct Instances::Session {
  std::string app, id;
  std::string socket;  // that it listens on; empty: a port
  std::optional<Shim> shim;
  std::uint32_t pid = 0;
  std::uint64_t start_time = 0;
  bool started = false, ready = false, ended = false;
  std::optional<std::pair<int, milliseconds>> stop;  // asked for; repeated when the shim is dialled again
  bool orphan = false;                               // the shim is gone
  bool is_hook = false;                              // cannot go on without it
  std::chrono::steady_clock::time_point ask_again{};  // orphan: for successors
  std::optional<net::Timer> attends;                  // orphan: cancelled when there is something to do
};

namespace {

// A shim that takes links and drops them shall not keep us busy.
constexpr milliseconds kBetweenDials{100};
constexpr milliseconds kWorkerDrains{40'000};
constexpr milliseconds kKillAgain{100};  // an orphan, whose children may fork while they are killed
constexpr std::chrono::seconds kLookAtLatest{10};     // at an orphan, should there be no descriptor to watch it by
constexpr std::chrono::seconds kBetweenSuccessors{60};

int own_oom_score() {
  const auto text = os::read_file("/proc/self/oom_score_adj", 16).value_or("0");
  return std::atoi(text.c_str());
}

constexpr std::uint64_t kHookLog = 1u << 20;  // bytes, of each of two files

// `id`: of the process; a hook's is another than that of the instance it is about.
Result<wire::Launch> prepare(const Paths& paths, const AppConfig& app, const plan::Instance& instance,
                             const std::string& id, const std::vector<std::string>& command) {
  const auto release = "v" + std::to_string(instance.release);
  const auto release_dir = instance.release == 0 ? paths.data(app.name) : paths.release(app.name, instance.release);
  const auto port = std::to_string(instance.port);
  if (command.empty()) return fail(ErrorKind::usage, "no command: neither the configuration nor the build's fleet-app.toml says one");
  wire::Launch launch;
  launch.id = id;
  TRY(launch.argv, config::expand_command(command, {{"port", port},
                                                    {"socket", instance.socket},
                                                    {"release", release},
                                                    {"release_dir", release_dir},
                                                    {"instance", instance.id},
                                                    {"data_dir", paths.data(app.name)}}));
  launch.cwd = release_dir;
  launch.log_file = paths.instance_log(app.name, id);
  launch.log_max_bytes = app.log.size;
  launch.log_keep = app.log.keep;
  if (app.log.journal) {
    launch.journal = "SYSLOG_IDENTIFIER=" + app.name + "\nFLEET_APP=" + app.name + "\nFLEET_RELEASE=" + release +
                     "\nFLEET_INSTANCE=" + id + "\n";
  }
  if (app.health.kind == HealthKind::notify) launch.notify_socket = paths.notify_socket(id);
  launch.env = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"HOME", paths.data(app.name)}};
  for (const auto* inherited : {"LANG", "LC_ALL", "TZ"}) {
    if (const char* value = std::getenv(inherited)) launch.env[inherited] = value;
  }
  for (const auto& [key, value] : app.env) launch.env[key] = value;
  TRY(auto secrets, read_secrets(app));
  for (auto& [key, value] : secrets) launch.env[key] = std::move(value);
  if (instance.port != 0) launch.env["PORT"] = port;
  if (!instance.socket.empty()) launch.env["FLEET_SOCKET_PATH"] = instance.socket;
  launch.env["FLEET_APP"] = app.name;
  launch.env["FLEET_RELEASE"] = release;
  if (!instance.sha256.empty()) launch.env["FLEET_SHA256"] = instance.sha256;
  if (!instance.id.empty()) launch.env["FLEET_INSTANCE"] = instance.id;
  TRY(launch.confined, confinement_of(app.run));
  if (app.run.private_tmp) launch.confined.private_tmp = paths.private_tmp(id);
  if (app.run.read_only) {
    launch.confined.writable = {paths.data(app.name)};
    if (!instance.socket.empty()) launch.confined.writable.push_back(paths.http_sockets() + "/" + app.name);
  }
  return launch;
}

// In place of /tmp and /var/tmp.
Result<> make_private_tmp(const Paths& paths, const std::string& id) {
  TRYV(os::make_dir(paths.private_tmps(), 0700));
  TRYV(os::make_dir(paths.private_tmp(id), 0700));
  for (const auto* name : {"/tmp", "/var-tmp"}) TRYV(os::make_dir(paths.private_tmp(id) + name, 01777));
  return {};
}

bool has_ended(const os::Fd& pidfd) {
  pollfd ended{pidfd.get(), POLLIN, 0};
  return ::poll(&ended, 1, 0) == 1;
}

// Only root can; and not where a unit's settings, a container or an old kernel forbid it.
Result<> check_mounts(const char* key) {
  if (::geteuid() != 0) {
    return fail(ErrorKind::usage, std::string(key) + ": only a fleetd that is root can give an app mounts of its own");
  }
  static const auto possible = os::can_have_mounts();
  if (possible) return {};
  return fail(ErrorKind::usage, std::string(key) + ": " + possible.error().text);
}

}  // namespace

Result<Confinement> confinement_of(const RunConfig& run) {
  Confinement confined;
  if (!run.user.empty()) {
    TRY(auto identity, os::identity_of(run.user, run.group));
    const bool is_other = identity.uid != ::geteuid() || (!run.group.empty() && identity.gid != ::getegid());
    if (is_other && ::geteuid() != 0) {
      return fail(ErrorKind::usage, "user \"" + run.user + "\": only a fleetd that is root can run anything as another user");
    }
    if (is_other) confined.as = std::move(identity);
  }
  confined.no_new_privileges = true;
  confined.memory_max = run.memory_max;
  if (!run.user.empty()) confined.processes_max = run.processes_max;  // else it would be of fleetd's own, too
  confined.open_files = run.open_files;
  if (run.private_tmp) TRYV(check_mounts("private_tmp"));
  if (run.read_only) TRYV(check_mounts("read_only"));
  confined.read_only = run.read_only;
  if (own_oom_score() < 0) confined.oom_score_adj = 0;  // that of a supervisor is not theirs
  return confined;
}

bool alive(const plan::Instance& instance) {
  return os::open_pidfd(static_cast<pid_t>(instance.pid), instance.start_time).has_value();
}

Result<wire::Launch> launch_of(const Paths& paths, const AppConfig& app, const plan::Instance& instance) {
  return prepare(paths, app, instance, instance.id, app.command);
}

void note_setting(const Paths& paths, const AppConfig& app, plan::Instance& instance) {
  instance.environment = environment_digest(paths, app).value_or("");  // what cannot be read fails its start
  instance.command = app.command;
  instance.run = app.run;
}

Result<wire::Launch> hook_launch_of(const Paths& paths, const AppConfig& app, const HookSetting& hook) {
  const auto& config = app.hooks.of(hook.hook);
  TRY(auto launch, prepare(paths, app, hook.setting, hook.id, config.command));
  launch.env["FLEET_HOOK"] = name(hook.hook);
  launch.env["FLEET_DEPLOYMENT"] = std::to_string(hook.deployment);
  launch.notify_socket.clear();
  launch.log_max_bytes = std::min(launch.log_max_bytes, kHookLog);
  launch.log_keep = 1;
  launch.input = hook.input;
  launch.time_limit = config.timeout;
  return launch;
}

Result<wire::Launch> check_of(const Paths& paths, const AppConfig& app, const plan::Instance& instance) {
  TRY(auto launch, prepare(paths, app, instance, instance.id, app.health.command));
  const auto cgroup = paths.cgroup(instance.id);
  if (!cgroup.empty() && ::access(cgroup.c_str(), F_OK) == 0) launch.confined.cgroup = cgroup;
  return launch;
}

void Instances::start(const std::string& app, const AppConfig& config, const plan::Instance& instance) {
  Session session;
  session.app = app;
  session.id = instance.id;
  session.socket = instance.socket;
  begin(std::move(session), config.run, launch_of(paths_, config, instance));
}

void Instances::run_hook(const std::string& app, const AppConfig& config, const HookSetting& hook) {
  Session session;
  session.app = app;
  session.id = hook.id;
  session.is_hook = true;
  begin(std::move(session), config.run, hook_launch_of(paths_, config, hook));
}

void Instances::begin(Session begun, const RunConfig& config, Result<wire::Launch> launch) {
  const auto could_not = [&](const Error& error) {
    tell_(begun.app, plan::Ended{begun.id, "could not be started: " + error.text, {}, {}});
  };
  if (!launch) return could_not(launch.error());
  if (config.private_tmp) {
    if (const auto made = make_private_tmp(paths_, begun.id); !made) return could_not(made.error());
  }
  confine(paths_, begun.id, config, launch->confined);
  if (!begun.socket.empty()) ::unlink(begun.socket.c_str());  // most servers do not bind where something is
  auto shim = Shim::start(io_, tasks_, paths_, begun.id);
  if (!shim) return could_not(shim.error());
  shim->launch(*launch, {});
  auto session = std::make_shared<Session>(std::move(begun));
  session->shim = std::move(*shim);
  sessions_[session->id] = session;
  tasks_.spawn(run(session));
}

void Instances::adopt_hook(const std::string& app, const std::string& id, Shim shim, const wire::ShimStatus& status) {
  auto session = std::make_shared<Session>();
  session->app = app;
  session->id = id;
  session->is_hook = true;
  session->shim = std::move(shim);
  session->started = true;
  session->pid = status.pid;
  session->start_time = status.start_time;
  sessions_[id] = session;
  take(*session, status);
  tasks_.spawn(run(session));
}

void Instances::drop(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const auto session = found->second;
  stop(id, SIGKILL, milliseconds(0));
  session->app.clear();  // as one that belongs to nothing on record
  if (session->shim) session->shim->dismiss();
  sessions_.erase(found);
}

void Instances::adopt(const std::string& app, const plan::Instance& instance, Shim shim, const wire::ShimStatus& status) {
  auto session = std::make_shared<Session>();
  session->app = app;
  session->id = instance.id;
  session->socket = instance.socket;
  session->shim = std::move(shim);
  session->started = true;
  session->pid = status.pid;
  session->start_time = status.start_time;
  sessions_[instance.id] = session;
  take(*session, status);
  tasks_.spawn(run(session));
}

void Instances::adopt_orphan(const std::string& app, const plan::Instance& instance) {
  auto session = std::make_shared<Session>();
  session->app = app;
  session->id = instance.id;
  session->socket = instance.socket;
  session->started = true;
  session->pid = instance.pid;
  session->start_time = instance.start_time;
  sessions_[instance.id] = session;
  tasks_.spawn(attend(session));
}

bool Instances::is_orphan(const Session& session) { return session.orphan && !session.ended && !session.stop; }

bool Instances::wants_successors(const std::string& app) const {
  if (orphans_ == 0) return false;
  const auto now = std::chrono::steady_clock::now();
  return std::ranges::any_of(sessions_, [&](const auto& entry) {
    const auto& session = *entry.second;
    return session.app == app && is_orphan(session) && now >= session.ask_again;
  });
}

void Instances::successors_asked_for(const std::string& app) {
  const auto next = std::chrono::steady_clock::now() + kBetweenSuccessors;
  for (const auto& [id, session] : sessions_) {
    if (session->app == app && is_orphan(*session)) session->ask_again = next;
  }
}

void Instances::stop(const std::string& id, int signal, milliseconds grace) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second->stop = {signal, grace};
  if (found->second->shim) found->second->shim->stop(signal, grace);
  if (found->second->attends) found->second->attends->cancel();
}

void Instances::forget(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second->ended = true;
  clear_away(*found->second);
  sessions_.erase(found);
}

// Its process has ended, or is about to.
void Instances::clear_away(Session& session) {
  if (session.shim) session.shim->dismiss();
  if (!session.socket.empty()) ::unlink(session.socket.c_str());
  if (auto removed = os::remove_tree(paths_.private_tmp(session.id)); !removed) spdlog::warn("{}", removed.error().text);
}

void Instances::sweep(const std::string& id, Shim shim, const wire::ShimStatus& status) {
  spdlog::warn("stopping a process that is on no record id={} pid={}", id, status.pid);
  auto session = std::make_shared<Session>();
  session->id = id;
  session->shim = std::move(shim);
  // A worker that could not be adopted still has requests to finish: it drains.
  session->stop = id.starts_with("worker-") ? std::pair(SIGTERM, kWorkerDrains) : std::pair(SIGKILL, milliseconds(0));
  session->shim->stop(session->stop->first, session->stop->second);
  session->shim->dismiss();
  tasks_.spawn(run(session));
}

net::Task<> Instances::wait_ended(std::set<std::string> apps) {
  const auto runs = [&](const auto& entry) { return !entry.second->ended && apps.contains(entry.second->app); };
  while (std::ranges::any_of(sessions_, runs)) (void)co_await ended_.async_wait(net::use_result);
  for (const auto& [id, session] : sessions_) {
    if (session->ended) clear_away(*session);
  }
}

net::Task<> Instances::run(std::shared_ptr<Session> session) {
  bool dialled = false;
  for (;;) {
    auto status = co_await session->shim->status();
    if (status) {
      if (take(*session, *status)) co_return;
      continue;
    }
    if (session->ended) co_return;
    if (std::exchange(dialled, true)) {
      net::Timer pause(io_, kBetweenDials);
      (void)co_await pause.async_wait(net::use_result);
      if (session->ended) co_return;
    }
    auto shim = Shim::dial(io_, paths_, session->id);
    if (!shim) {
      session->shim.reset();
      ::unlink(paths_.shim_socket(session->id).c_str());
      co_return co_await attend(session);
    }
    session->shim = std::move(*shim);
    if (session->stop) session->shim->stop(session->stop->first, session->stop->second);
  }
}

// Without its shim: an app's process is watched and stopped from here, and how it ends nobody can tell. What nobody has
// started, or nobody wants, is ended.
net::Task<> Instances::attend(std::shared_ptr<Session> session) {
  session->orphan = session->started && !session->app.empty() && !session->is_hook;
  if (session->orphan) ++orphans_;
  const auto pid = static_cast<pid_t>(session->pid);
  auto pidfd = os::open_pidfd(pid, session->start_time);
  if (pidfd && session->orphan) {
    spdlog::warn("an application's shim is gone; it serves on until others have taken its place id={} pid={}", session->id, pid);
    tell_(session->app, plan::Tick{});
  } else {
    kill_orphan(session->id, session->pid, session->start_time);
  }
  if (pidfd) co_await see_out(session, std::move(*pidfd));
  if (session->orphan) --orphans_;
  end_cgroup(io_, tasks_, paths_, session->id);
  if (session->ended) co_return;
  session->ended = true;
  ended_.cancel();
  const plan::Ended ended{session->id, "ended without its shim", {}, {}};
  if (!session->app.empty()) tell_(session->app, ended);
}

// Until the process has ended, which is told to stop when that is asked for.
net::Task<> Instances::see_out(std::shared_ptr<Session> session, os::Fd pidfd) {
  session->attends.emplace(io_);
  const EndWatch watch(io_, pidfd, [session] { session->attends->cancel(); });
  auto kill_at = net::Timer::time_point::max();
  bool told = false;
  while (!has_ended(pidfd)) {
    const auto now = std::chrono::steady_clock::now();
    if (session->stop && !std::exchange(told, true)) {
      kill_at = now + session->stop->second;
      (void)os::signal(pidfd, session->stop->first);
      (void)os::signal(pidfd, SIGCONT);
    }
    if (now >= kill_at) {
      kill_orphan(session->id, session->pid, session->start_time);
      kill_at = now + kKillAgain;
    }
    session->attends->expires_at(std::min(kill_at, now + kLookAtLatest));
    (void)co_await session->attends->async_wait(net::use_result);
  }
}

// Returns whether that was the last there is to tell.
bool Instances::take(Session& session, const wire::ShimStatus& status) {
  if (status.state == wire::ShimState::exited || status.state == wire::ShimState::failed) {
    if (session.app.empty()) {  // swept
      session.shim->dismiss();
      return true;
    }
    if (session.ended) return true;
    session.ended = true;
    ended_.cancel();
    plan::Ended ended;
    ended.instance = session.id;
    ended.how = how_it_ended(status);
    if (status.state == wire::ShimState::exited) ended.exit_code = status.exit_code;
    if (status.signal != 0) ended.signal = static_cast<std::int32_t>(status.signal);
    tell_(session.app, std::move(ended));
    return true;
  }
  if (session.app.empty()) return false;
  if (status.state == wire::ShimState::running && !session.started) {
    session.started = true;
    session.pid = status.pid;
    session.start_time = status.start_time;
    tell_(session.app, plan::Started{session.id, status.pid, status.start_time});
  }
  if (status.ready && !session.ready) {
    session.ready = true;
    tell_(session.app, plan::NotifiedReady{session.id});
  }
  return false;
}

}  // namespace fleet
