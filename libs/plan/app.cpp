#include "plan/app.hpp"

#include <algorithm>

#include "plan/app_machine.hpp"
#include "plan/probing.hpp"

namespace fleet::plan {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& one : names) text += (text.empty() ? "" : ", ") + one;
  return text;
}

}  // namespace

Step step(AppState state, const Event& event, const Context& context) {
  return Machine(std::move(state), context).run(event);
}

std::string seconds(milliseconds time) {
  const auto ms = time.count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

Step Machine::run(const Event& event) {
  const Route before = route_of(state_, ctx_.config);
  std::visit([this](const auto& e) { on(e); }, event);
  settle();
  if (publish_ || route_of(state_, ctx_.config) != before) {
    state_.published = ctx_.next_generation;
    act(Publish{ctx_.next_generation});
  }
  const auto wake_at = next_wake(state_, ctx_);
  return Step{std::move(state_), std::move(actions_), wake_at};
}

// -- events --

void Machine::on(const Request& request) {
  if (overtakes(state_, request)) return repoint(request);
  if (state_.rollout || state_.removed) return;
  begin(request);
  auto& rollout = *state_.rollout;
  switch (request.kind) {
    case RolloutKind::deploy:
      if (!request.sha256.empty() && is_current(request.sha256)) return rollout_event(RolloutEvent::current);
      return act(fetch());
    case RolloutKind::rollback:
      rollout.release = request.release != 0 ? request.release : state_.previous;
      return rollout_event(rollout.release == state_.current ? RolloutEvent::current : RolloutEvent::fetched);
    case RolloutKind::restart:
      rollout.release = state_.current;
      rollout.sha256 = state_.current_sha256;
      return rollout_event(RolloutEvent::fetched);
  }
}

void Machine::on(const Fetched& fetched) {
  if (!fetching()) return act(DiscardRelease{state_.next_release});
  if (fetched.unchanged) {
    state_.rollout->outcome = Outcome::unchanged;
    state_.rollout->release = state_.rollout->known_release;
    return rollout_event(RolloutEvent::current);
  }
  state_.rollout->sha256 = fetched.sha256;
  if (is_current(fetched.sha256)) {
    act(DiscardRelease{state_.next_release});
    return rollout_event(RolloutEvent::current);
  }
  state_.rollout->release = state_.next_release++;
  act(KeepRelease{state_.rollout->release});
  rollout_event(RolloutEvent::fetched);
}

void Machine::on(const FetchFailed& failed) {
  if (fetching()) fail_rollout(failed.kind, failed.error, "");
}

void Machine::on(const Started& started) {
  if (HookRun* run = hook(started.instance)) {
    run->pid = started.pid;
    run->start_time = started.start_time;
    return apply(*run, HookEvent::started);
  }
  Instance* instance = find(started.instance);
  if (!instance) return;
  instance->pid = started.pid;
  instance->start_time = started.start_time;
  apply(*instance, InstanceEvent::started);
}

void Machine::on(const Probed& probed) {
  Instance* instance = find(probed.instance);
  if (!instance || !is_probed(instance->phase)) return;
  const bool starting = instance->phase == InstancePhase::warming || instance->phase == InstancePhase::warm;
  const bool is_trouble = probed.outcome != ProbeOutcome::passed && (starting || probed.outcome != ProbeOutcome::unasked);
  if (is_trouble && !probed.detail.empty()) instance->trouble = probed.detail;
  switch (on_probe(instance->health, health_of(*instance), probed.outcome, starting, ctx_.now)) {
    case Verdict::unchanged: return;
    case Verdict::healthy: return apply(*instance, InstanceEvent::healthy);
    case Verdict::unhealthy: return apply(*instance, InstanceEvent::unhealthy);
  }
}

void Machine::on(const NotifiedReady& ready) {
  Instance* instance = find(ready.instance);
  if (instance && health_of(*instance).kind == HealthKind::notify) apply(*instance, InstanceEvent::healthy);
}

void Machine::on(const Ended& ended) {
  if (HookRun* run = hook(ended.instance)) {
    run->exit_code = ended.exit_code;
    run->signal = ended.signal;
    const bool good = ended.exit_code == 0 && !ended.signal;
    if (!good && run->trouble.empty()) run->trouble = ended.how;
    return apply(*run, good ? HookEvent::succeeded : HookEvent::failed);
  }
  Instance* instance = find(ended.instance);
  if (!instance || !is_running(instance->phase)) return;
  if (instance->phase != InstancePhase::stopping) instance->trouble = ended.how;
  Report exited = about(ReportKind::instance_exited, instance->id + " " + ended.how, *instance);
  exited.exit_code = ended.exit_code;
  exited.signal = ended.signal;
  act(std::move(exited));
  if (instance->candidate && state_.rollout && before_commit(state_.rollout->phase)) {
    state_.rollout->exit_code = ended.exit_code;
    state_.rollout->signal = ended.signal;
  }
  apply(*instance, InstanceEvent::ended);
}

void Machine::on(const Acked& acked) {
  for (auto& instance : state_.instances) {
    if (instance.phase == InstancePhase::evicting && instance.generation <= acked.generation) {
      apply(instance, InstanceEvent::let_go);
    }
  }
  if (state_.rollout && state_.rollout->phase == RolloutPhase::commit &&
      state_.rollout->generation <= acked.generation) {
    rollout_event(RolloutEvent::acked);
  }
}

void Machine::on(const Drained& drained) {
  Instance* instance = find(drained.instance);
  if (instance && is_held_back(*instance)) return keep_back(*instance);
  if (instance) apply(*instance, InstanceEvent::drained);
}

void Machine::on(const Abort& abort) {
  if (!state_.rollout || !before_commit(state_.rollout->phase)) return;
  fail_rollout(ErrorKind::aborted, "aborted by " + abort.requested_by, "", RolloutEvent::abort);
}

void Machine::on(const Configured&) {
  state_.removed = false;
  publish_ = true;  // the route may have changed without any instance
  scale();
}

void Machine::on(const Hold& hold) {
  if (state_.removed || hold.until == state_.held_until) return;
  state_.held_until = hold.until;
  act(about(ReportKind::hold_started, "requests of " + state_.name + " are held, asked for by " + hold.requested_by));
}

void Machine::on(const Unhold& unhold) {
  if (state_.held_until.count() == 0) return;
  state_.held_until = {};
  act(about(ReportKind::hold_ended, "requests of " + state_.name + " go on: " + unhold.why));
}

void Machine::on(const Removed&) {
  state_.removed = true;
  state_.held_until = {};
  await({});
  publish_ = true;
  if (state_.rollout && before_commit(state_.rollout->phase)) {
    fail_rollout(ErrorKind::aborted, "the app was removed from the configuration", "", RolloutEvent::abort);
  }
  for (auto& instance : state_.instances) leave(instance);
}

void Machine::on(const Recovered& recovered) {
  publish_ = true;
  booting_ = recovered.boot;
  if (recovered.boot) {
    state_.held_until = {};  // of the former boot's clock
    if (state_.current != 0 && !state_.removed) await(recovered.awaits);
  }
  for (auto& instance : state_.instances) recover(instance, recovered);
  if (!state_.rollout) return scale();
  auto& rollout = *state_.rollout;
  rollout.generation = ctx_.next_generation;
  if (rollout.phase == RolloutPhase::prepare) act(fetch());
  if (HookRun* run = hook()) recover(*run, recovered);
}

void Machine::on(const Awaits& awaits) {
  if (state_.awaits.empty() || awaits.apps == state_.awaits) return;
  if (awaits.apps.empty()) return start_waiting();
  state_.awaits = awaits.apps;
}

void Machine::on(const CannotRollBack& cannot) {
  if (!std::exchange(state_.watch.rollback_due, false)) return;
  act(about_watched("cannot be rolled back: " + cannot.why));
}

void Machine::recover(Instance& instance, const Recovered& recovered) {
  instance.health = {};
  if (instance.generation != 0) instance.generation = ctx_.next_generation;
  if (!is_running(instance.phase)) {
    if (recovered.boot && instance.phase == InstancePhase::backoff) restart_now(instance);
    return;
  }
  const auto found = recovered.running.find(instance.id);
  if (found != recovered.running.end()) {
    instance.pid = found->second.pid;
    instance.start_time = found->second.start_time;
    instance.health = instance.phase == InstancePhase::warming || instance.phase == InstancePhase::warm
                          ? begin_probing(ctx_.now)
                          : watch(health_of(instance), ctx_.now);
    if (instance.phase == InstancePhase::starting) apply(instance, InstanceEvent::started);
    if (instance.phase == InstancePhase::stopping) act(Stop{instance.id});
    return;
  }
  if (instance.phase == InstancePhase::starting && !recovered.boot) {
    // Saved, and never begun: begin it now. Under a new id, for traces of the first attempt may be left.
    act(Forget{instance.id});
    return renew(instance);
  }
  const bool was_wanted = instance.wanted && !instance.candidate;
  on(Ended{instance.id, recovered.boot ? "ended with the machine's restart" : "ended while fleetd was away", {}, {}});
  if (recovered.boot && was_wanted) restart_now(instance);
}

void Machine::recover(HookRun& run, const Recovered& recovered) {
  const auto found = recovered.running.find(run.id);
  if (found == recovered.running.end()) {
    if (run.trouble.empty()) {
      run.trouble = recovered.boot ? "ended with the machine's restart" : "ended while fleetd was away, nobody knows how";
    }
    return apply(run, HookEvent::lost);
  }
  on(found->second);
  if (run.phase == HookPhase::stopping) act(Stop{run.id});
}

void Machine::restart_now(Instance& instance) {
  if (instance.phase != InstancePhase::backoff) return;
  instance.crashes = 0;
  instance.deadline = state_.awaits.empty() ? std::max(ctx_.now, milliseconds(1)) : state_.start_by;  // 0 would be none
}

// -- waiting for other apps --

void Machine::await(const std::vector<std::string>& apps) {
  state_.awaits = apps;
  state_.start_by = apps.empty() ? milliseconds(0) : ctx_.now + ctx_.config.start_wait;
  if (!apps.empty()) act(about(ReportKind::app_waits, state_.name + " waits for " + listed(apps) + " before it is started"));
}

void Machine::start_waiting() {
  await({});
  for (auto& instance : state_.instances) {
    if (instance.crashes == 0) restart_now(instance);
  }
}

// -- what follows from where things stand --

void Machine::settle() {
  if (state_.start_by.count() > 0 && state_.start_by <= ctx_.now) {
    act(about(ReportKind::app_starts_anyway,
              state_.name + " is started though " + listed(state_.awaits) +
                  (state_.awaits.size() == 1 ? " is" : " are") + " not ready after " + seconds(ctx_.config.start_wait)));
    start_waiting();
  }
  for (std::size_t i = 0; i < state_.instances.size(); ++i) {
    auto& instance = state_.instances[i];
    if (instance.phase == InstancePhase::warm && !instance.candidate) apply(instance, InstanceEvent::join);
    if (instance.drained && !is_held_back(instance)) apply(instance, InstanceEvent::drained);
    if (instance.deadline.count() == 0 || instance.deadline > ctx_.now) continue;
    if (is_held_back(instance)) keep_back(instance);
    else if (instance.phase == InstancePhase::ready) instance.crashes = 0, instance.deadline = milliseconds(0);
    else apply(instance, InstanceEvent::timeout);
  }
  HookRun* run = hook();
  if (run && run->deadline <= ctx_.now) apply(*run, HookEvent::timeout);
  while (const auto due = due_event()) {
    rollout_event(*due);
    release_held_back();
  }
  std::erase_if(state_.instances, [](const Instance& i) { return i.phase == InstancePhase::gone; });
  for (auto& id : begin_probes(state_, ctx_)) act(Probe{std::move(id)});
}

void Machine::release_held_back() {
  for (auto& instance : state_.instances) {
    if (instance.drained && !is_held_back(instance)) apply(instance, InstanceEvent::drained);
  }
}

// What the rollout's phase waits for, if it has come.
std::optional<RolloutEvent> Machine::due_event() {
  if (!state_.rollout) return std::nullopt;
  const auto if_none = [this](RolloutEvent event, auto predicate) {
    return std::ranges::none_of(state_.instances, predicate) ? std::optional(event) : std::nullopt;
  };
  const auto is_cold = [](const Instance& i) { return i.candidate && i.phase != InstancePhase::warm; };
  switch (state_.rollout->phase) {
    case RolloutPhase::prepare:
    case RolloutPhase::commit:
    case RolloutPhase::done: return std::nullopt;
    case RolloutPhase::warm: return if_none(RolloutEvent::all_warm, is_cold);
    case RolloutPhase::pre_switch:
      return hook() ? std::nullopt : if_none(RolloutEvent::hooked, is_cold);  // one may have become unhealthy meanwhile
    case RolloutPhase::pre_start:
    case RolloutPhase::post_switch:
    case RolloutPhase::pre_stop:
    case RolloutPhase::on_failure: return hook() ? std::nullopt : std::optional(RolloutEvent::hooked);
    case RolloutPhase::drain:
      return if_none(RolloutEvent::drained, [](const Instance& i) {
        return (i.phase == InstancePhase::draining && !i.drained) || i.phase == InstancePhase::evicting;
      });
    case RolloutPhase::retire:
      return if_none(RolloutEvent::stopped, [](const Instance& i) {
        return !i.wanted && (i.phase == InstancePhase::draining || i.phase == InstancePhase::evicting ||
                             i.phase == InstancePhase::stopping);
      });
    case RolloutPhase::abort:
      if (hook()) return std::nullopt;
      return if_none(RolloutEvent::stopped, [](const Instance& i) { return i.candidate && i.phase != InstancePhase::gone; });
  }
  return std::nullopt;
}

// -- finding and telling --

Instance* Machine::find(const std::string& id) {
  const auto found = std::ranges::find(state_.instances, id, &Instance::id);
  return found == state_.instances.end() ? nullptr : &*found;
}

Report Machine::about(ReportKind kind, std::string message) const {
  Report report;
  report.kind = kind;
  report.message = std::move(message);
  if (state_.rollout) report.deployment = state_.rollout->deployment;
  return report;
}

Report Machine::about(ReportKind kind, std::string message, const Instance& instance) const {
  Report report = about(kind, std::move(message));
  report.instance = instance.id;
  report.release = instance.release;
  if (instance.pid != 0) report.pid = instance.pid;
  if (instance.port != 0) report.port = instance.port;
  return report;
}

Report Machine::about(ReportKind kind, std::string message, const HookRun& run) const {
  Report report = about(kind, std::move(message));
  report.instance = run.id;
  if (run.release != 0) report.release = run.release;
  report.hook = run.hook;
  return report;
}

Report Machine::about_watched(const std::string& what) const {
  Report report = about(ReportKind::deployment_unstable, std::string(name(state_.watch.kind)) + " " +
                                                             std::to_string(state_.watch.deployment) + " of " +
                                                             state_.name + " " + what);
  report.deployment = state_.watch.deployment;
  report.release = state_.watch.release;
  return report;
}

}  // namespace fleet::plan
