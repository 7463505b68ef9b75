// What of an app's state the proxy and the operator see.
#include <algorithm>
#include <optional>

#include "plan/app.hpp"

namespace fleet::plan {

namespace {

// Nothing: it is not in the table.
std::optional<TargetState> target_state(InstancePhase phase) {
  switch (phase) {
    case InstancePhase::ready: return TargetState::ready;
    case InstancePhase::draining: return TargetState::draining;
    case InstancePhase::unhealthy: return TargetState::resting;
    case InstancePhase::starting:
    case InstancePhase::warming:
    case InstancePhase::warm:
    case InstancePhase::evicting:
    case InstancePhase::stopping:
    case InstancePhase::backoff:
    case InstancePhase::gone: return std::nullopt;
  }
  return std::nullopt;
}

// Whether, without a target, it may have one soon enough for requests to wait for it.
bool is_awaited(const AppState& state, const AppConfig& config) {
  return std::ranges::any_of(state.instances, [&](const Instance& i) {
    if (!i.wanted || i.candidate || i.phase == InstancePhase::stopping) return false;
    return i.phase != InstancePhase::backoff || backoff_delay(i.crashes) <= config.hold.timeout;
  });
}

// Of a path whose rules do nothing there are none.
std::vector<Rules> rules_of(const AppConfig& config) {
  std::vector<Rules> rules;
  Rules own = config.rules, none;
  own.path = none.path = config.path;
  if (own != none) rules.push_back(std::move(own));
  rules.insert(rules.end(), config.routes.begin(), config.routes.end());
  return rules;
}

}  // namespace

Route route_of(const AppState& state, const AppConfig& config) {
  Route route;
  route.app = state.name;
  route.hosts = config.hosts;
  route.path = config.path;
  route.https_redirect = config.https_redirect;
  route.rewrite_redirects = config.rewrite_redirects;
  route.rules = rules_of(config);
  route.files = config.files;
  route.access_log = config.access_log;
  route.drain_requests = config.drain.timeout;
  route.drain_streams = config.drain.of_streams();
  route.balancing = config.balancing;
  route.hold = config.hold;
  route.awaited = is_awaited(state, config);
  route.held_until = state.held_until;
  for (const auto& instance : state.instances) {
    const auto state_of_target = target_state(instance.phase);
    if (!state_of_target) continue;
    auto release = std::ranges::find(route.releases, instance.release, &RouteRelease::release);
    if (release == route.releases.end()) {
      RouteRelease added;
      added.release = instance.release;
      added.accepts = instance.release == state.current ? Accepts::everyone : Accepts::nobody;
      release = route.releases.insert(route.releases.end(), std::move(added));
    }
    Target target;
    target.id = instance.id;
    if (instance.socket.empty()) target.endpoint = Endpoint{"127.0.0.1", instance.port};
    target.socket = instance.socket;
    target.index = instance.index;
    target.state = *state_of_target;
    release->targets.push_back(std::move(target));
  }
  return route;
}

std::string build_of(const AppState& state, std::uint64_t release) {
  if (release == 0) return "";
  if (state.rollout && release == state.rollout->release) return state.rollout->sha256;
  return release == state.current ? state.current_sha256 : "";
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
