// What must hold after every event.
#include <algorithm>
#include <tuple>

#include "core/json.hpp"
#include "world.hpp"

namespace fleet::plan {
namespace {

bool has_deadline(InstancePhase phase, std::uint32_t crashes, const HealthConfig& health) {
  using enum InstancePhase;
  if (phase == ready) return crashes > 0;
  if (phase == unhealthy) return health.unhealthy_restart.count() > 0;
  return phase == starting || phase == warming || phase == draining || phase == stopping || phase == backoff;
}

bool is_about(const Event& event, const std::string& id) {
  return std::visit(
      [&](const auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (requires { e.instance; }) return e.instance == id;
        return std::is_same_v<E, Configured> || std::is_same_v<E, Removed> || std::is_same_v<E, Recovered>;
      },
      event);
}

std::size_t published_in(const Step& next) {
  return static_cast<std::size_t>(std::ranges::count_if(
      next.actions, [](const Action& action) { return std::holds_alternative<Publish>(action); }));
}

}  // namespace

void World::must(bool holds, const std::string& what) {
  if (!holds && complaint_.empty()) complaint_ = what;
}

void World::check_step(const AppState& before, const Event& event, const Step& next) {
  std::set<std::string> ids;
  std::set<std::uint32_t> places;
  for (const auto& i : state_.instances) {
    must(ids.insert(i.id).second, "two instances with one id: " + i.id);
    must(i.phase != InstancePhase::gone, "one that is gone is kept: " + i.id);
    must(has_deadline(i.phase, i.crashes, config_.health) == (i.deadline.count() > 0) || i.drained, "a phase without its deadline: " + i.id);
    must(!i.candidate || state_.rollout, "a candidate without a rollout: " + i.id);
    must(!i.candidate || before_commit(state_.rollout->phase) || state_.rollout->phase == RolloutPhase::abort,
         "a candidate after the commit: " + i.id);
    const bool leaves = i.phase == InstancePhase::draining || i.phase == InstancePhase::evicting;
    must(!leaves || (i.generation > 0 && i.generation <= state_.published), "leaves under no table: " + i.id);
    if (!state_.rollout && i.wanted) {
      must(places.insert(i.index).second, "two instances in one place: " + i.id);
      must(i.release == state_.current, "wanted of a release that is not current: " + i.id);
    }
    if (i.phase == InstancePhase::backoff) must(i.wanted, "waits to be started and is not wanted: " + i.id);
  }
  if (!state_.rollout && !state_.removed && state_.current != 0 &&
      (std::holds_alternative<Configured>(event) || before.rollout)) {
    must(places.size() == config_.instances, "not as many instances as configured");
  }
  must(state_.awaits.empty() == (state_.start_by.count() == 0), "waits for others without an end");
  must(!state_.watch.rollback_due || (state_.watch.previous != 0 && state_.watch.release == state_.current), "a rollback is due from nowhere");
  check_undisturbed(before, event);
  check_rollout(before);
  check_wake(next);
}

// Where there is a shorter way, it leads to the same place.
void World::check_probe_only(AppState state, const Event& event, const Step& next) {
  const AppState before = state;
  const auto probing = probe_only(state, event, Context{config_, now_, generation_ + 1});
  const auto times = [](const AppState& of) {
    std::vector<std::tuple<std::string, std::uint32_t, std::uint32_t, milliseconds, milliseconds, bool>> all;
    for (const auto& i : of.instances) {
      all.emplace_back(i.id, i.health.passed, i.health.failed, i.health.delay, i.health.next_probe, i.health.probing);
    }
    return all;
  };
  must(state == before, "probes are on record");
  if (!probing) return must(times(state) == times(before), "touched, and not done");
  ++probed_only_;
  std::vector<std::string> probed;
  for (const auto& action : next.actions) {
    const auto* probe = std::get_if<Probe>(&action);
    if (!probe) return must(false, "more than probes");
    probed.push_back(probe->instance);
  }
  must(next.state == before, "the state changes, and is not saved");
  must(probing->probe == probed, "probes others");
  must(probing->wake_at == next.wake_at, "wakes at another time");
  must(times(state) == times(next.state), "other times of probes");
}

// Ready targets are of the current release; whatever changes the table publishes it.
void World::check_routing(const Step& next) {
  std::set<std::string> routed;
  for (const auto& release : route_of(state_, config_).releases) {
    must((release.accepts == Accepts::everyone) == (release.release == state_.current), "accepts the wrong visitors");
    for (const auto& target : release.targets) {
      routed.insert(target.id);
      must(target.state != TargetState::ready || release.release == state_.current, "routed, not current: " + target.id);
      const auto found = std::ranges::find(state_.instances, target.id, &Instance::id);
      must(found != state_.instances.end() && !found->candidate, "a candidate is routed: " + target.id);
    }
  }
  const auto publishes = published_in(next);
  must(publishes <= 1, "published twice in one step");
  if (publishes == 1) {
    tables_[++generation_] = routed;
    must(state_.published == generation_, "published under another number");
  } else {
    must(tables_.empty() ? routed.empty() : tables_.rbegin()->second == routed, "the table changed unpublished");
  }
}

// D11: never a signal while some worker may route to it.
void World::check_stop(const std::string& id) {
  for (const auto& [generation, targets] : tables_) {
    must(!targets.contains(id), "stopped while table " + std::to_string(generation) + " routes to it: " + id);
  }
}

// A caller that feeds Tick at wake_at sleeps, or sees something happen.
void World::check_wake(const Step& next) {
  if (!next.wake_at) return;
  const auto at = std::max(now_, *next.wake_at);
  const auto woken = step(state_, Tick{}, Context{config_, at, generation_ + 1});
  const bool later = !woken.wake_at || *woken.wake_at > at;
  must(later || woken.state != state_ || !woken.actions.empty(), "it wakes up for nothing, again and again");
  must(*next.wake_at > now_ || woken.state != state_ || !woken.actions.empty(), "it wants to wake up in the past");
}

// A rollout that has not committed, and one that is undone, moves nobody who serves.
void World::check_undisturbed(const AppState& before, const Event& event) {
  if (!before.rollout) return;
  const auto phase = before.rollout->phase;
  const auto touches_nobody = [](RolloutPhase p) {
    return before_commit(p) || p == RolloutPhase::abort || p == RolloutPhase::on_failure;
  };
  if (!touches_nobody(phase)) return;
  if (state_.current != before.current) return;
  if (state_.rollout && !touches_nobody(state_.rollout->phase)) return;
  for (const auto& i : before.instances) {
    if (i.phase != InstancePhase::ready || is_about(event, i.id)) continue;
    const auto now = std::ranges::find(state_.instances, i.id, &Instance::id);
    must(now != state_.instances.end(), "served, and was lost: " + i.id);
    if (now == state_.instances.end()) return;
    // With the rollout's end comes the configuration that waited for it.
    must(now->phase == InstancePhase::ready || (!state_.rollout && now->index >= config_.instances),
         "served, and was disturbed: " + i.id);
  }
}

void World::check_rollout(const AppState& before) {
  const auto order = [](RolloutPhase phase) {
    if (phase == RolloutPhase::abort) return static_cast<int>(RolloutPhase::pre_switch);
    return phase == RolloutPhase::on_failure ? static_cast<int>(RolloutPhase::commit) : static_cast<int>(phase);
  };
  if (before.rollout && state_.rollout && before.rollout->deployment == state_.rollout->deployment) {
    const auto from = before.rollout->phase, to = state_.rollout->phase;
    must(order(from) <= order(to), "the rollout goes back");
    must(from == to || to != RolloutPhase::abort || before_commit(from), "aborted after the commit");
  } else if (before.rollout) {
    must(finished_.contains(before.rollout->deployment), "a rollout vanished");
  }
  if (state_.rollout) must(!finished_.contains(state_.rollout->deployment), "goes on after its end");
  const bool may_switch = before.current == state_.current || state_.rollout;
  must(may_switch, "the release changed without a rollout");
}

bool World::is_due(Hook hook) const {
  return !config_.hooks.of(hook).command.empty() && !state_.removed;
}

// A hook is begun once, and again only where nobody knows that it ran; what it is before comes after it.
void World::check_hooks(const AppState& before, const Step& next, const Event& event) {
  for (const auto& action : next.actions) {
    const auto* run = std::get_if<RunHook>(&action);
    if (!run || !state_.rollout) continue;
    const auto times = ++hooks_[{state_.rollout->deployment, run->hook}];
    must(times == 1 || std::holds_alternative<Recovered>(event), "a hook is begun twice: " + run->id);
  }
  if (!state_.rollout) return;
  const auto& rollout = *state_.rollout;
  const auto has = [&](Hook hook, HookPhase phase) {
    return std::ranges::any_of(rollout.hooks, [&](const HookRun& run) { return run.hook == hook && run.phase == phase; });
  };
  std::size_t under_way = 0;
  for (const auto& run : rollout.hooks) under_way += is_over(run) ? 0 : 1;
  must(under_way <= 1, "two hooks at once");
  must(under_way == 0 || hook_of(rollout.phase) == rollout.hooks.back().hook || rollout.phase == RolloutPhase::abort,
       "a hook runs in another's phase");
  const bool candidates = std::ranges::any_of(state_.instances, &Instance::candidate);
  const bool deploys = rollout.kind == RolloutKind::deploy;
  must(!candidates || !deploys || !is_due(Hook::pre_start) || has(Hook::pre_start, HookPhase::passed),
       "a candidate before pre_start has passed");
  const bool switched = rollout.phase >= RolloutPhase::commit && rollout.phase <= RolloutPhase::retire;
  const bool warmed = std::ranges::any_of(rollout.phases, [](const PhaseTime& p) { return p.phase == RolloutPhase::warm; });
  must(!switched || !warmed || !is_due(Hook::pre_switch) || has(Hook::pre_switch, HookPhase::passed),
       "switched before pre_switch has passed");
  must(rollout.phase != RolloutPhase::abort || !rollout.error.empty(), "aborted without a reason");
  for (const auto& i : state_.instances) {
    must(!i.drained || i.phase == InstancePhase::draining, "held back in another phase: " + i.id);
  }
  // Those that drain stay until pre_stop is over, unless they end.
  const bool same = before.rollout && before.rollout->deployment == rollout.deployment && !before_commit(before.rollout->phase);
  if (!same || !switched || rollout.phase == RolloutPhase::retire || rollout.left == 0 || !is_due(Hook::pre_stop)) return;
  for (const auto& was : before.instances) {
    if (was.phase != InstancePhase::draining || was.wanted) continue;
    const auto now = std::ranges::find(state_.instances, was.id, &Instance::id);
    must(now == state_.instances.end() || now->phase == InstancePhase::draining, "leaves before pre_stop is over: " + was.id);
  }
}

void World::check_saved_state() {
  AppState copy;
  const auto read = json::read(json::Json::parse(json::write(state_).dump()), copy);
  must(read.has_value(), read ? "" : "the saved state cannot be read: " + read.error().text);
  must(copy == state_, "the saved state reads as another");
  Recovered recovered;
  for (const auto& id : alive_) recovered.running[id] = Started{id, 4000, 77};
  const Context context{config_, now_, generation_ + 1};
  const auto a = step(state_, recovered, context), b = step(copy, recovered, context);
  must(a.state == b.state && a.wake_at == b.wake_at && a.actions.size() == b.actions.size() &&
           std::ranges::equal(a.actions, b.actions, [](const Action& x, const Action& y) { return x.index() == y.index(); }),
       "a fleetd with the saved state does something else");
}

void World::check_at_rest() {
  must(!state_.rollout, "a rollout never ended");
  must(finished_.size() == deployment_, "a request was never answered: " + std::to_string(finished_.size()) + " of " +
                                            std::to_string(deployment_));
  const auto wanted = state_.removed || state_.current == 0 ? 0 : config_.instances;
  must(state_.instances.size() == wanted, "not as many instances as configured at rest");
  for (const auto& i : state_.instances) {
    must(i.phase == InstancePhase::ready && i.release == state_.current, "not in rotation at rest: " + i.id);
    must(alive_.contains(i.id), "in rotation and not running: " + i.id);
  }
  must(alive_.size() == state_.instances.size(), "a process was left behind");
}

}  // namespace fleet::plan
