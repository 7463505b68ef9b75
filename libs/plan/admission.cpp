// Which requests may be given to step() now.
#include <algorithm>

#include "plan/app.hpp"

namespace fleet::plan {
namespace {

std::string version(std::uint64_t release) { return "v" + std::to_string(release); }

}  // namespace

std::uint32_t draining_of(const AppState& state, std::uint64_t release) {
  return static_cast<std::uint32_t>(std::ranges::count_if(state.instances, [&](const Instance& i) {
    return i.release == release && i.phase == InstancePhase::draining;
  }));
}

bool overtakes(const AppState& state, const Request& request) {
  if (request.kind != RolloutKind::rollback || !state.rollout || state.removed) return false;
  const auto& rollout = *state.rollout;
  // Not once those are told that they are to stop.
  const bool drains = rollout.phase == RolloutPhase::commit || rollout.phase == RolloutPhase::post_switch ||
                      rollout.phase == RolloutPhase::drain;
  if (!drains) return false;
  if (rollout.previous == rollout.release || (request.release != 0 && request.release != rollout.previous)) return false;
  return rollout.left > 0 && draining_of(state, rollout.previous) == rollout.left;
}

Result<> admit(const AppState& state, const Request& request, const std::function<bool(std::uint64_t)>& kept) {
  if (state.removed) return fail(ErrorKind::not_found, "app \"" + state.name + "\" is being removed");
  if (state.rollout) {
    const auto& rollout = *state.rollout;
    if (!overtakes(state, request)) {
      return fail(ErrorKind::busy, std::string(name(rollout.kind)) + " " + std::to_string(rollout.deployment) + " of \"" + state.name +
                                       "\" is under way (" + std::string(name(rollout.phase)) + ", by " +
                                       rollout.requested_by + ")");
    }
    return {};
  }
  switch (request.kind) {
    case RolloutKind::deploy: return {};
    case RolloutKind::restart:
      if (state.current == 0) return fail(ErrorKind::not_found, "app \"" + state.name + "\" has no release to restart");
      if (!kept(state.current)) {
        return fail(ErrorKind::not_found, "the files of " + version(state.current) + " of \"" + state.name + "\" are gone");
      }
      return {};
    case RolloutKind::rollback: {
      const auto release = request.release != 0 ? request.release : state.previous;
      if (release == 0) return fail(ErrorKind::not_found, "app \"" + state.name + "\" has no previous release");
      if (release != state.current && !kept(release)) {
        return fail(ErrorKind::not_found, "app \"" + state.name + "\" has no release " + version(release) +
                                              " any more (see fleetctl releases)");
      }
      return {};
    }
  }
  return {};
}

std::optional<Request> due_rollback(const AppState& state) {
  if (!state.watch.rollback_due || state.removed) return std::nullopt;
  Request request;
  request.kind = RolloutKind::rollback;
  request.release = state.watch.previous;
  request.requested_by = "fleetd";
  return request;
}

Result<> admit_abort(const AppState& state) {
  if (!state.rollout) return fail(ErrorKind::not_found, "no deployment of \"" + state.name + "\" is under way");
  if (state.rollout->phase == RolloutPhase::abort || state.rollout->phase == RolloutPhase::on_failure) return {};
  if (!before_commit(state.rollout->phase)) {
    return fail(ErrorKind::usage, "deployment " + std::to_string(state.rollout->deployment) +
                                      " has switched already (to undo it: fleetctl rollback --app " + state.name + ")");
  }
  return {};
}

}  // namespace fleet::plan
