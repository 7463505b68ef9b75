// What becomes of one app's instances.
#include <algorithm>
#include <set>

#include "plan/app_machine.hpp"

namespace fleet::plan {
namespace {

// An instance that stayed in rotation this long starts its back-off from the beginning.
constexpr milliseconds kGoodWhile{60'000};

}  // namespace

void Machine::apply(Instance& instance, InstanceEvent event) {
  const auto from = instance.phase;
  advance(instance, event);
  if (instance.candidate) candidate_event(instance, from, event);
}

void Machine::advance(Instance& instance, InstanceEvent event) {
  const auto phase = instance.phase;
  const auto what = instance_step(phase, event);
  if (phase == InstancePhase::ready && what != InstanceStep::ignore && ctx_.now - instance.since >= kGoodWhile) {
    instance.crashes = 0;
  }
  switch (what) {
    case InstanceStep::ignore: return;
    case InstanceStep::to_warming:
      instance.health = begin_probing(ctx_.now);
      return enter(instance, InstancePhase::warming);
    case InstanceStep::to_warm: return enter(instance, InstancePhase::warm);
    case InstanceStep::to_ready:
      if (phase != InstancePhase::unhealthy) {
        const bool probing = instance.health.probing;  // what is asked already is of the same process, and answered
        instance.health = watch(health_of(instance), ctx_.now);
        instance.health.probing = probing;
      }
      return enter(instance, InstancePhase::ready);
    case InstanceStep::to_unhealthy: return enter(instance, InstancePhase::unhealthy);
    case InstanceStep::to_draining: return enter(instance, InstancePhase::draining);
    case InstanceStep::to_evicting: return enter(instance, InstancePhase::evicting);
    case InstanceStep::to_gone:
      if (phase != InstancePhase::backoff) act(Forget{instance.id});
      return enter(instance, InstancePhase::gone);
    case InstanceStep::stop:
      act(Stop{instance.id});
      return enter(instance, InstancePhase::stopping);
    case InstanceStep::end:
      act(Forget{instance.id});
      if (!instance.wanted || instance.candidate) return enter(instance, InstancePhase::gone);
      enter(instance, InstancePhase::backoff);
      return crashed(instance);
    case InstanceStep::restart:
      ++instance.restarts;
      return renew(instance);
  }
}

void Machine::enter(Instance& instance, InstancePhase phase) {
  const auto& config = ctx_.config;
  const auto from = instance.phase;
  instance.phase = phase;
  instance.since = ctx_.now;
  instance.deadline = milliseconds(0);
  instance.drained = false;
  switch (phase) {
    case InstancePhase::starting:
      instance.deadline = ctx_.now + health_of(instance).start_timeout;
      break;
    case InstancePhase::warming:
      // A candidate's time runs from the beginning of the phase, however often it comes and goes.
      instance.deadline = (instance.candidate && state_.rollout ? state_.rollout->since : ctx_.now) +
                          health_of(instance).start_timeout;
      if (from == InstancePhase::starting) {
        act(about(ReportKind::instance_started, instance.id + " started with pid " + std::to_string(instance.pid), instance));
      }
      break;
    case InstancePhase::warm: break;
    case InstancePhase::ready:
      instance.generation = 0;
      if (instance.crashes > 0) instance.deadline = ctx_.now + kGoodWhile;
      act(about(ReportKind::instance_ready, instance.id + " is in rotation", instance));
      break;
    case InstancePhase::unhealthy:
      if (health_of(instance).unhealthy_restart.count() > 0) {
        instance.deadline = ctx_.now + health_of(instance).unhealthy_restart;
      }
      act(about(ReportKind::instance_unhealthy, instance.id + " is out of rotation: " + instance.trouble, instance));
      break;
    case InstancePhase::draining:
      instance.generation = ctx_.next_generation;
      instance.deadline = ctx_.now + std::max(config.drain.timeout, config.drain.of_streams());
      publish_ = true;
      break;
    case InstancePhase::evicting:
      if (instance.wanted) {
        act(about(ReportKind::instance_unhealthy, instance.id + " does not recover and is started anew", instance));
      }
      instance.generation = ctx_.next_generation;
      publish_ = true;
      break;
    case InstancePhase::stopping:
      instance.deadline = ctx_.now + config.drain.stop_timeout + kStopPatience;
      break;
    case InstancePhase::backoff: break;
    case InstancePhase::gone:
      act(about(ReportKind::instance_stopped, instance.id + " is gone", instance));
      break;
  }
}

void Machine::crashed(Instance& instance) {
  instance.deadline = ctx_.now + backoff_delay(++instance.crashes);
  if (booting_) return;
  if (instance.crashes == kCrashLoop) {
    act(about(ReportKind::app_crash_loop,
              instance.id + " crashes again and again, " + std::to_string(instance.crashes) + " times in a row" +
                  (instance.trouble.empty() ? "" : ": " + instance.trouble),
              instance));
  }
  blame(instance);
}

// Counts a crash against the deployment that it comes soon after.
void Machine::blame(const Instance& instance) {
  auto& watch = state_.watch;
  const auto& config = ctx_.config.deploy;
  if (watch.deployment == 0 || instance.release != watch.release || ctx_.now >= watch.until) return;
  ++watch.crashes;
  if (watch.unstable.empty() && watch.crashes >= config.crashes) {
    const auto after = ctx_.now - (watch.until - config.watch);
    watch.unstable = "v" + std::to_string(watch.release) + " crashed " + std::to_string(watch.crashes) +
                     (watch.crashes == 1 ? " time within " : " times within ") + seconds(after) + " of the switch";
    const bool has_other = watch.previous != 0 && watch.previous != watch.release;
    watch.rollback_due = config.rollback_on_crash && watch.kind == RolloutKind::deploy && has_other;
    act(about_watched("is unstable: " + watch.unstable + (watch.rollback_due ? "; it is rolled back" : "")));
  }
  act(Blame{watch});
}

// A new process in this one's place.
void Machine::renew(Instance& instance) {
  instance.id = to_string(InstanceName{state_.name, instance.release, state_.next_serial++});
  instance.port = 0;
  instance.socket.clear();
  instance.environment.clear();
  instance.pid = 0;
  instance.start_time = 0;
  instance.health = {};
  enter(instance, InstancePhase::starting);
  act(Start{instance.id});
}

void Machine::add_instance(std::uint64_t release, std::uint32_t index, bool candidate) {
  Instance instance;
  instance.release = release;
  instance.index = index;
  instance.candidate = candidate;
  auto& added = state_.instances.emplace_back(std::move(instance));
  if (candidate || state_.awaits.empty()) return renew(added);
  added.id = to_string(InstanceName{state_.name, release, state_.next_serial++});
  enter(added, InstancePhase::backoff);
  added.deadline = state_.start_by;
}

void Machine::leave(Instance& instance) {
  instance.wanted = false;
  apply(instance, InstanceEvent::leave);
}

// As many wanted instances of the current release as are configured.
void Machine::scale() {
  if (state_.rollout || state_.removed || state_.current == 0) return;
  std::set<std::uint32_t> present;
  for (auto& instance : state_.instances) {
    if (!instance.wanted) continue;
    if (instance.index >= ctx_.config.instances || !present.insert(instance.index).second) leave(instance);
  }
  for (std::uint32_t index = 0; index < ctx_.config.instances; ++index) {
    if (!present.contains(index)) add_instance(state_.current, index, false);
  }
}

}  // namespace fleet::plan
