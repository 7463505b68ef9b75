// A rollout from its request to its record.
#include <algorithm>

#include "plan/app_machine.hpp"

namespace fleet::plan {

Fetch Machine::fetch() const {
  const auto& rollout = *state_.rollout;
  return {rollout.url, rollout.sha256, state_.next_release, rollout.force, rollout.known_etag, rollout.remote};
}

void Machine::begin(const Request& request) {
  state_.watch.rollback_due = false;
  Rollout rollout;
  rollout.deployment = request.deployment;
  rollout.kind = request.kind;
  rollout.url = request.url;
  rollout.sha256 = request.sha256;
  rollout.requested_by = request.requested_by;
  rollout.force = request.force;
  rollout.remote = request.remote;
  rollout.anew = request.anew;
  rollout.known_etag = request.known_etag;
  rollout.known_release = request.known_release;
  rollout.previous = state_.current;
  rollout.began = rollout.since = ctx_.now;
  state_.rollout = std::move(rollout);
  act(about(ReportKind::deployment_started,
            std::string(name(request.kind)) + " of " + state_.name + " asked for by " + request.requested_by));
}

void Machine::candidate_event(const Instance& instance, InstancePhase from, InstanceEvent event) {
  if (!state_.rollout) return;
  if (state_.rollout->phase != RolloutPhase::warm && state_.rollout->phase != RolloutPhase::pre_switch) return;
  if (event == InstanceEvent::ended) {
    fail_rollout(ErrorKind::unhealthy, instance.id + " " + instance.trouble + " before it was healthy", instance.id);
  } else if (event == InstanceEvent::timeout && instance_step(from, event) == InstanceStep::stop) {
    fail_rollout(ErrorKind::unhealthy,
                 instance.id + " was not healthy within " + seconds(health_of(instance).start_timeout) +
                     (instance.trouble.empty() ? "" : " (last probe: " + instance.trouble + ")"),
                 instance.id);
  }
}

void Machine::fail_rollout(ErrorKind kind, std::string error, std::string instance, RolloutEvent event) {
  auto& rollout = *state_.rollout;
  if (!before_commit(rollout.phase)) return;
  if (rollout.phase == RolloutPhase::prepare) act(CancelFetch{});
  rollout.error_kind = kind;
  rollout.error = std::move(error);
  rollout.failed_instance = std::move(instance);
  rollout_event(event);
}

void Machine::follow(RolloutStep step) {
  switch (step) {
    case RolloutStep::ignore: return;
    case RolloutStep::to_pre_start: return hook_phase(RolloutPhase::pre_start);
    case RolloutStep::to_pre_switch: return hook_phase(RolloutPhase::pre_switch);
    case RolloutStep::to_post_switch: return hook_phase(RolloutPhase::post_switch);
    case RolloutStep::to_pre_stop: return hook_phase(RolloutPhase::pre_stop);
    case RolloutStep::to_on_failure: return hook_phase(RolloutPhase::on_failure);
    case RolloutStep::to_warm:
      enter(RolloutPhase::warm);
      for (std::uint32_t i = 0; i < ctx_.config.instances; ++i) add_instance(state_.rollout->release, i, true);
      return;
    case RolloutStep::to_commit: return commit();
    case RolloutStep::to_drain: return enter(RolloutPhase::drain);
    case RolloutStep::to_retire: return enter(RolloutPhase::retire);
    case RolloutStep::to_done: return finish();
    case RolloutStep::to_abort:
      enter(RolloutPhase::abort);
      for (auto& instance : state_.instances) {
        if (instance.candidate) leave(instance);
      }
      if (HookRun* run = hook()) apply(*run, HookEvent::leave);
      return;
  }
}

void Machine::hook_phase(RolloutPhase phase) {
  if (!begin_hook(phase)) follow(rollout_step(phase, RolloutEvent::hooked));
}

void Machine::enter(RolloutPhase phase) {
  auto& rollout = *state_.rollout;
  const auto from = rollout.phase;
  rollout.phases.push_back({from, ctx_.now - rollout.since});
  rollout.phase = phase;
  rollout.since = ctx_.now;
  if (phase == RolloutPhase::done) return;
  Report entered = about(ReportKind::deployment_phase, std::string(name(from)) + " -> " + std::string(name(phase)));
  entered.phase = phase;
  if (rollout.release != 0) entered.release = rollout.release;
  act(std::move(entered));
}

void Machine::commit() {
  enter(RolloutPhase::commit);
  for (auto& instance : state_.instances) {
    if (instance.candidate) {
      instance.candidate = false;
      apply(instance, InstanceEvent::join);
    } else {
      leave(instance);
    }
  }
  switch_to(state_.rollout->release, state_.rollout->sha256);
}

void Machine::switch_to(std::uint64_t release, std::string sha256) {
  if (release != state_.current) state_.previous = std::exchange(state_.current, release);
  state_.current_sha256 = std::move(sha256);
  state_.rollout->generation = ctx_.next_generation;
  state_.rollout->left = draining_of(state_, state_.rollout->previous);
  publish_ = true;
  await({});
  watch_for_crashes(*state_.rollout);
}

void Machine::watch_for_crashes(const Rollout& rollout) {
  state_.watch = {};
  if (ctx_.config.deploy.watch.count() == 0) return;
  state_.watch.deployment = rollout.deployment;
  state_.watch.kind = rollout.kind;
  state_.watch.release = rollout.release;
  state_.watch.previous = rollout.previous;
  state_.watch.until = ctx_.now + ctx_.config.deploy.watch;
}

// A rollback while the old instances still run: they come back, and those of the new release go.
void Machine::repoint(const Request& request) {
  const Rollout overtaken = *state_.rollout;
  state_.rollout->error_kind = ErrorKind::aborted;
  state_.rollout->error = "rolled back by " + request.requested_by;
  state_.rollout->outcome = Outcome::rolled_back;
  if (HookRun* run = hook()) drop(*run);
  finish();
  begin(request);
  state_.rollout->release = overtaken.previous;
  enter(RolloutPhase::commit);
  for (auto& instance : state_.instances) {
    if (instance.release != overtaken.previous) {
      leave(instance);
    } else {
      instance.wanted = true;
      apply(instance, InstanceEvent::join);
    }
  }
  switch_to(overtaken.previous, request.sha256);
}

// Of a rollout that goes on record now.
void Machine::drop(HookRun& run) {
  act(DropHook{run.id});
  run.phase = HookPhase::failed;
  run.trouble = "was stopped";
  run.deadline = milliseconds(0);
  run.took = ctx_.now - run.since;
  tell_end(run);
}

void Machine::finish() {
  const auto from = state_.rollout->phase;
  enter(RolloutPhase::done);
  Rollout rollout = std::move(*state_.rollout);
  state_.rollout.reset();
  if (rollout.outcome == Outcome::pending) {
    rollout.outcome = from == RolloutPhase::abort || from == RolloutPhase::on_failure ? Outcome::kept_old
                      : from == RolloutPhase::prepare ? Outcome::already_current
                                                      : Outcome::changed;
  }
  if (rollout.outcome == Outcome::already_current) rollout.release = state_.current;
  if (rollout.outcome == Outcome::kept_old && rollout.kind == RolloutKind::deploy && rollout.release != 0) {
    act(DiscardRelease{rollout.release});
  }
  act(Finish{std::move(rollout)});
  scale();
}

}  // namespace fleet::plan
