#include "instances.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "config/command.hpp"
#include "os/atomic_file.hpp"
#include "os/unix_socket.hpp"
#include "os/users.hpp"

namespace fleet {

struct Instances::Session {
  std::string app, id;
  std::string socket;  // that it listens on; empty: a port
  std::optional<Shim> shim;
  std::uint32_t pid = 0;
  std::uint64_t start_time = 0;
  bool started = false, ready = false, ended = false;
  std::optional<std::pair<int, milliseconds>> stop;  // asked for; repeated when the shim is dialled again
};

namespace {

// A shim that takes links and drops them shall not keep us busy.
constexpr milliseconds kBetweenDials{100};
constexpr milliseconds kWorkerDrains{40'000};

int own_oom_score() {
  const auto text = os::read_file("/proc/self/oom_score_adj", 16).value_or("0");
  return std::atoi(text.c_str());
}

Result<wire::Launch> prepare(const Paths& paths, const AppConfig& app, const plan::Instance& instance,
                             const std::vector<std::string>& command) {
  const auto release = "v" + std::to_string(instance.release);
  const auto release_dir = paths.release(app.name, instance.release);
  const auto port = std::to_string(instance.port);
  wire::Launch launch;
  launch.id = instance.id;
  TRY(launch.argv, config::expand_command(command, {{"port", port},
                                                    {"socket", instance.socket},
                                                    {"release", release},
                                                    {"release_dir", release_dir},
                                                    {"instance", instance.id},
                                                    {"data_dir", paths.data(app.name)}}));
  launch.cwd = release_dir;
  launch.log_file = paths.instance_log(app.name, instance.id);
  launch.log_max_bytes = app.log.size;
  launch.log_keep = app.log.keep;
  if (app.log.journal) {
    launch.journal = "SYSLOG_IDENTIFIER=" + app.name + "\nFLEET_APP=" + app.name + "\nFLEET_RELEASE=" + release +
                     "\nFLEET_INSTANCE=" + instance.id + "\n";
  }
  if (app.health.kind == HealthKind::notify) launch.notify_socket = paths.notify_socket(instance.id);
  launch.env = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"HOME", paths.data(app.name)}};
  for (const auto* inherited : {"LANG", "LC_ALL", "TZ"}) {
    if (const char* value = std::getenv(inherited)) launch.env[inherited] = value;
  }
  for (const auto& [key, value] : app.env) launch.env[key] = value;
  if (instance.socket.empty()) launch.env["PORT"] = port;
  else launch.env["FLEET_SOCKET_PATH"] = instance.socket;
  launch.env["FLEET_APP"] = app.name;
  launch.env["FLEET_RELEASE"] = release;
  launch.env["FLEET_INSTANCE"] = instance.id;
  TRY(launch.confined, confinement_of(app.run));
  return launch;
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
  confined.processes_max = run.processes_max;
  confined.open_files = run.open_files;
  if (own_oom_score() < 0) confined.oom_score_adj = 0;  // that of a supervisor is not theirs
  return confined;
}

Result<wire::Launch> launch_of(const Paths& paths, const AppConfig& app, const plan::Instance& instance) {
  return prepare(paths, app, instance, app.command);
}

Result<wire::Launch> check_of(const Paths& paths, const AppConfig& app, const plan::Instance& instance) {
  return prepare(paths, app, instance, app.health.command);
}

void Instances::start(const std::string& app, const AppConfig& config, const plan::Instance& instance) {
  const auto could_not = [&](const Error& error) {
    tell_(app, plan::Ended{instance.id, "could not be started: " + error.text, {}, {}});
  };
  const auto launch = launch_of(paths_, config, instance);
  if (!launch) return could_not(launch.error());
  if (!instance.socket.empty()) ::unlink(instance.socket.c_str());  // most servers do not bind where something is
  auto shim = Shim::start(io_, tasks_, paths_, instance.id);
  if (!shim) return could_not(shim.error());
  shim->launch(*launch, {});
  auto session = std::make_shared<Session>();
  session->app = app;
  session->id = instance.id;
  session->socket = instance.socket;
  session->shim = std::move(*shim);
  sessions_[instance.id] = session;
  tasks_.spawn(run(session));
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

void Instances::stop(const std::string& id, int signal, milliseconds grace) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second->stop = {signal, grace};
  if (found->second->shim) found->second->shim->stop(signal, grace);
}

void Instances::forget(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second->ended = true;
  if (found->second->shim) found->second->shim->dismiss();
  if (!found->second->socket.empty()) ::unlink(found->second->socket.c_str());
  sessions_.erase(found);
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

net::Task<> Instances::wait_ended() {
  const auto runs = [](const auto& entry) { return !entry.second->ended; };
  while (std::ranges::any_of(sessions_, runs)) (void)co_await ended_.async_wait(net::use_result);
  for (const auto& [id, session] : sessions_) {
    if (session->shim) session->shim->dismiss();
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
      kill_orphan(session->id, session->pid, session->start_time);
      session->ended = true;
      ended_.cancel();
      const plan::Ended ended{session->id, "lost its shim and was killed", {}, {}};
      if (!session->app.empty()) tell_(session->app, ended);
      co_return;
    }
    session->shim = std::move(*shim);
    if (session->stop) session->shim->stop(session->stop->first, session->stop->second);
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
