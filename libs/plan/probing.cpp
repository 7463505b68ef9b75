#include "plan/probing.hpp"

#include <algorithm>

namespace fleet::plan {
namespace {

bool waits_to_be_probed(const Instance& instance, const HealthConfig& health) {
  return health.kind != HealthKind::notify && is_probed(instance.phase) && !instance.health.probing;
}

// Nothing of it waits for a moment that has come, nor for anything that is looked at after every event.
bool is_at_rest(const AppState& state, milliseconds now) {
  if (state.rollout || state.start_by.count() > 0) return false;
  return std::ranges::none_of(state.instances, [&](const Instance& i) {
    return i.phase == InstancePhase::warm || i.phase == InstancePhase::gone || i.drained ||
           (i.deadline.count() > 0 && i.deadline <= now);
  });
}

}  // namespace

std::vector<std::string> begin_probes(AppState& state, const Context& context) {
  std::vector<std::string> due;
  for (auto& instance : state.instances) {
    const bool waits = waits_to_be_probed(instance, context.of(instance.release).health);
    if (!waits || instance.health.next_probe > context.now) continue;
    instance.health.probing = true;
    due.push_back(instance.id);
  }
  return due;
}

std::optional<milliseconds> next_wake(const AppState& state, const Context& context) {
  std::optional<milliseconds> at;
  const auto consider = [&](milliseconds time) { at = at ? std::min(*at, time) : time; };
  if (state.start_by.count() > 0) consider(state.start_by);
  if (state.rollout && !state.rollout->hooks.empty() && !is_over(state.rollout->hooks.back())) {
    consider(state.rollout->hooks.back().deadline);
  }
  for (const auto& instance : state.instances) {
    if (instance.deadline.count() > 0) consider(instance.deadline);
    if (waits_to_be_probed(instance, context.of(instance.release).health)) consider(instance.health.next_probe);
  }
  return at;
}

std::optional<Probing> probe_only(AppState& state, const Event& event, const Context& context) {
  const auto* probed = std::get_if<Probed>(&event);
  if (!probed && !std::holds_alternative<Tick>(event)) return std::nullopt;
  if (!is_at_rest(state, context.now)) return std::nullopt;
  if (probed) {
    const auto found = std::ranges::find(state.instances, probed->instance, &Instance::id);
    const bool goes_on = found != state.instances.end() && found->phase == InstancePhase::ready &&
                         probed->outcome == ProbeOutcome::passed;
    if (!goes_on) return std::nullopt;
    (void)on_probe(found->health, context.of(found->release).health, probed->outcome, false, context.now);
  }
  Probing probing;
  probing.probe = begin_probes(state, context);
  probing.wake_at = next_wake(state, context);
  return probing;
}

}  // namespace fleet::plan
