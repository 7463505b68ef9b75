// What a starting fleetd makes of what it finds.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "app_file.hpp"
#include "cgroups.hpp"
#include "executor.hpp"
#include "os/dirs.hpp"
#include "rebuild.hpp"

namespace fleet {

Result<> Executor::rebuild(const std::map<std::string, FoundShim>& found, std::uint64_t generation) {
  std::size_t running = 0, apps = 0;
  for (auto& [name, app] : apps_) {
    Remains remains;
    for (const auto& [id, shim] : found) {
      const auto& status = shim.status;
      const auto named = plan::parse_instance_name(id);
      if (status.state != wire::ShimState::running || !named || named->app != name) continue;
      remains.running.push_back(
          {id, status.pid, status.start_time, world_.paths.http_socket(name, id), environment_of(status.pid)});
    }
    remains.releases = releases_found(world_.paths, name);
    remains.current = read_current(world_.paths, name);
    remains.port_first = config_.port_first, remains.port_last = config_.port_last;
    if (remains.running.empty() && remains.releases.empty()) continue;
    app->state = rebuilt(app->config, remains, clock_.now());
    running += app->state.instances.size(), ++apps;
    for (const auto number : remains.releases) {
      Release release;
      release.app = name;
      release.number = number;
      if (number == app->state.current) release.sha256 = app->state.current_sha256;
      release.created_at = wall_time();
      if (auto build = read_app_file(world_.paths.release(name, number), app->config.listen); build && *build != BuildConfig()) {
        release.build = *build;
        app->builds[number] = std::move(*build);
      }
      TRYV(world_.store.put_release(release));
      app->retained.insert(number);
    }
  }
  for (auto& [name, app] : apps_) merge(*app);
  generation_ = std::max(generation_, generation);
  if (apps == 0) return {};
  api::EventView event;
  event.type = api::EventType::state_rebuilt;
  event.message = "the record of what runs was lost: " + std::to_string(apps) + (apps == 1 ? " app" : " apps") + " with " +
                  std::to_string(running) + " running instances found again; former deployments are forgotten";
  spdlog::critical("{}", event.message);
  report(std::move(event));
  return {};
}

void Executor::recover(std::map<std::string, FoundShim>& found, Since since) {
  working_ = true;
  const auto has_release = [this](const std::string& name) {
    const auto* other = find(name);
    return other && other->configured && other->state.current != 0;
  };
  const auto shims = shims_found(world_.paths);  // of those that are not `found`, some that do not answer
  for (const auto& [name, app] : apps_) {
    if (since == Since::standstill && std::ranges::any_of(app->state.instances, alive)) since = Since::away;
  }
  const auto has_shim = [&](const std::string& id) { return std::ranges::find(shims, id) != shims.end(); };
  for (auto& [name, app] : apps_) {
    plan::Recovered recovered;
    recovered.boot = since != Since::away;
    if (recovered.boot) std::ranges::copy_if(app->config.depends_on, std::back_inserter(recovered.awaits), has_release);
    std::vector<std::pair<plan::Instance, FoundShim>> adopted;
    std::vector<plan::Instance> orphans;
    for (const auto& instance : app->state.instances) {
      const auto shim = found.find(instance.id);
      const bool ran = shim != found.end() && shim->second.status.state != wire::ShimState::empty;
      if (ran) {
        const auto& status = shim->second.status;
        recovered.running[instance.id] = plan::Started{instance.id, status.pid, status.start_time};
        adopted.emplace_back(instance, std::move(shim->second));
        found.erase(shim);
      } else if (since != Since::reboot && shim == found.end() && alive(instance) && !has_shim(instance.id)) {
        recovered.running[instance.id] = plan::Started{instance.id, instance.pid, instance.start_time};
        orphans.push_back(instance);
      } else if (since != Since::reboot) {
        kill_orphan(instance.id, instance.pid, instance.start_time);
      }
    }
    std::vector<std::pair<std::string, FoundShim>> hooks;
    take_hook(*app, found, recovered, hooks);
    // First, so that nothing of it is started again.
    if (!app->configured) queue_.emplace_back(name, plan::Removed{});
    queue_.emplace_back(name, std::move(recovered));
    for (auto& [instance, shim] : adopted) {
      limit_again(world_.paths, instance.id, app->config.run);
      instances_.adopt(name, instance, std::move(shim.shim), shim.status);
    }
    for (const auto& orphan : orphans) instances_.adopt_orphan(name, orphan);
    for (auto& [id, shim] : hooks) instances_.adopt_hook(name, id, std::move(shim.shim), shim.status);
  }
  working_ = false;
  recovered_ = true;
  work();
  wake_.cancel();
  remove_stale_files();
  for (auto& [name, app] : apps_) {
    std::erase_if(app->running, [&](const auto& entry) {
      const auto& rollout = app->state.rollout;
      return !rollout || rollout->deployment != entry.first;
    });
  }
}

// The hook under way, if its shim is there; one that has lost it is ended.
void Executor::take_hook(App& app, std::map<std::string, FoundShim>& found, plan::Recovered& recovered,
                         std::vector<std::pair<std::string, FoundShim>>& adopted) {
  const auto& rollout = app.state.rollout;
  if (!rollout || rollout->hooks.empty() || plan::is_over(rollout->hooks.back())) return;
  const auto& run = rollout->hooks.back();
  const auto shim = found.find(run.id);
  if (shim == found.end() || shim->second.status.state == wire::ShimState::empty) {
    return kill_orphan(run.id, run.pid, run.start_time);
  }
  const auto& status = shim->second.status;
  recovered.running[run.id] = plan::Started{run.id, status.pid, status.start_time};
  adopted.emplace_back(run.id, std::move(shim->second));
  found.erase(shim);
}

// Sockets and temporary files of instances that are on no record.
void Executor::remove_stale_files() const {
  std::set<std::string> known;
  for (const auto& [name, app] : apps_) {
    for (const auto& instance : app->state.instances) known.insert({instance.socket, world_.paths.private_tmp(instance.id)});
    if (app->state.rollout && !app->state.rollout->hooks.empty()) {
      known.insert(world_.paths.private_tmp(app->state.rollout->hooks.back().id));
    }
  }
  for (const auto& folder : private_tmps_found(world_.paths)) {
    if (known.contains(folder)) continue;
    if (auto removed = os::remove_tree(folder); !removed) spdlog::warn("{}", removed.error().text);
  }
  for (const auto& socket : http_sockets_found(world_.paths)) {
    if (!known.contains(socket)) ::unlink(socket.c_str());
  }
}

void Executor::sweep(const std::string& id, FoundShim found) {
  instances_.sweep(id, std::move(found.shim), found.status);
}

}  // namespace fleet
