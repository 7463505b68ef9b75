// What a starting fleetd makes of what it finds.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "executor.hpp"
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
      TRYV(world_.store.put_release(release));
    }
  }
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
  for (auto& [name, app] : apps_) {
    plan::Recovered recovered;
    recovered.boot = since != Since::away;
    std::vector<std::pair<plan::Instance, FoundShim>> adopted;
    for (const auto& instance : app->state.instances) {
      const auto shim = found.find(instance.id);
      const bool ran = shim != found.end() && shim->second.status.state != wire::ShimState::empty;
      if (ran) {
        const auto& status = shim->second.status;
        recovered.running[instance.id] = plan::Started{instance.id, status.pid, status.start_time};
        adopted.emplace_back(instance, std::move(shim->second));
        found.erase(shim);
      } else if (since != Since::reboot) {
        kill_orphan(instance.id, instance.pid, instance.start_time);
      }
    }
    // First, so that nothing of it is started again.
    if (!app->configured) queue_.emplace_back(name, plan::Removed{});
    queue_.emplace_back(name, std::move(recovered));
    for (auto& [instance, shim] : adopted) {
      instances_.adopt(name, instance, std::move(shim.shim), shim.status);
    }
  }
  working_ = false;
  recovered_ = true;
  work();
  wake_.cancel();
  remove_stale_sockets();
  for (auto& [name, app] : apps_) {
    std::erase_if(app->running, [&](const auto& entry) {
      const auto& rollout = app->state.rollout;
      return !rollout || rollout->deployment != entry.first;
    });
  }
}

// Sockets of instances that are on no record.
void Executor::remove_stale_sockets() const {
  std::set<std::string> known;
  for (const auto& [name, app] : apps_) {
    for (const auto& instance : app->state.instances) known.insert(instance.socket);
  }
  for (const auto& socket : http_sockets_found(world_.paths)) {
    if (!known.contains(socket)) ::unlink(socket.c_str());
  }
}

void Executor::sweep(const std::string& id, FoundShim found) {
  instances_.sweep(id, std::move(found.shim), found.status);
}

}  // namespace fleet
