// What of an app's state the proxy and the operator see.
#include <algorithm>

#include "plan/app.hpp"

namespace fleet::plan {

Route route_of(const AppState& state, const AppConfig& config) {
  Route route;
  route.app = state.name;
  route.hosts = config.hosts;
  route.path = config.path;
  route.https_redirect = config.https_redirect;
  route.rewrite_redirects = config.rewrite_redirects;
  route.access_log = config.access_log;
  for (const auto& instance : state.instances) {
    const bool drains = instance.phase == InstancePhase::draining || instance.phase == InstancePhase::unhealthy;
    if (instance.phase != InstancePhase::ready && !drains) continue;
    auto release = std::ranges::find(route.releases, instance.release, &RouteRelease::release);
    if (release == route.releases.end()) {
      RouteRelease added;
      added.release = instance.release;
      added.accepts = instance.release == state.current ? Accepts::everyone : Accepts::nobody;
      release = route.releases.insert(route.releases.end(), std::move(added));
    }
    Target target;
    target.id = instance.id;
    target.endpoint = Endpoint{"127.0.0.1", instance.port};
    target.state = drains ? TargetState::draining : TargetState::ready;
    release->targets.push_back(std::move(target));
  }
  return route;
}

bool is_settled(const AppState& state) {
  return std::ranges::none_of(state.instances, [](const Instance& i) {
    const bool on_its_way = i.phase == InstancePhase::starting || i.phase == InstancePhase::warming ||
                            i.phase == InstancePhase::warm || i.phase == InstancePhase::backoff;
    return i.wanted && !i.candidate && on_its_way && i.crashes == 0;
  });
}

std::string_view health_of(const AppState& state) {
  if (state.current == 0) return "idle";
  std::size_t wanted = 0, ready = 0, settling = 0;
  for (const auto& instance : state.instances) {
    if (!instance.wanted || instance.candidate) continue;
    ++wanted;
    if (instance.phase == InstancePhase::ready) ++ready;
    if (instance.crashes == 0 && instance.phase != InstancePhase::unhealthy) ++settling;
  }
  if (ready > 0) return ready == wanted ? "serving" : "degraded";
  return settling == wanted && wanted > 0 ? "starting" : "down";
}

}  // namespace fleet::plan
