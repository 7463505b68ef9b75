// The hooks of a rollout.
#include <algorithm>

#include "plan/app_machine.hpp"

namespace fleet::plan {
namespace {

// The shim kills a hook at its timeout, whether or not there is a fleetd; so much later it is told to.
constexpr milliseconds kHookPatience{5'000};

}  // namespace

// The one that is under way.
HookRun* Machine::hook() {
  if (!state_.rollout || state_.rollout->hooks.empty() || is_over(state_.rollout->hooks.back())) return nullptr;
  return &state_.rollout->hooks.back();
}

HookRun* Machine::hook(const std::string& id) {
  HookRun* run = hook();
  return run && run->id == id ? run : nullptr;
}

// Whose it is, and in whose folder it runs. That of what could not be fetched is the current one's.
std::uint64_t Machine::release_of(Hook which) const {
  const auto& rollout = *state_.rollout;
  const auto release = which == Hook::pre_stop ? rollout.previous : rollout.release;
  return release != 0 ? release : state_.current;
}

// Whether there is anything for it to do. Migrations are of a deploy; what went before it may not know them.
bool Machine::has_hook(Hook which) const {
  const auto& rollout = *state_.rollout;
  if (state_.removed || hook_config(which).command.empty()) return false;
  if (which == Hook::pre_start) return rollout.kind == RolloutKind::deploy;
  return which != Hook::pre_stop || rollout.left > 0;
}

// Enters the phase if it has a hook to run.
bool Machine::begin_hook(RolloutPhase phase) {
  const auto which = *hook_of(phase);
  if (!has_hook(which)) return false;
  enter(phase);
  HookRun run;
  run.hook = which;
  run.release = release_of(which);
  start_hook(state_.rollout->hooks.emplace_back(std::move(run)));
  return true;
}

void Machine::start_hook(HookRun& run) {
  run.id = hook_id({state_.name, run.release, state_.next_serial++}, run.hook);
  run.phase = HookPhase::starting;
  run.pid = 0;
  run.start_time = 0;
  run.since = ctx_.now;
  run.deadline = ctx_.now + hook_config(run.hook).timeout + kHookPatience;
  run.trouble.clear();
  act(RunHook{run.id, run.hook, run.release, addressed_by(run.hook)});
  act(about(ReportKind::hook_started, "hook " + std::string(name(run.hook)) + " begins", run));
}

// The instances that it is about.
std::vector<std::string> Machine::addressed_by(Hook which) const {
  std::vector<std::string> ids;
  for (const auto& i : state_.instances) {
    const bool is_one = which == Hook::pre_switch    ? i.candidate
                        : which == Hook::post_switch ? i.wanted && i.phase == InstancePhase::ready
                        : which == Hook::pre_stop    ? !i.wanted && i.phase == InstancePhase::draining
                                                     : false;
    if (is_one) ids.push_back(i.id);
  }
  return ids;
}

void Machine::apply(HookRun& run, HookEvent event) {
  switch (hook_step(run.phase, event)) {
    case HookStep::ignore: return;
    case HookStep::to_running:
      run.phase = HookPhase::running;
      return;
    case HookStep::stop:
      if (run.trouble.empty()) {
        run.trouble = event == HookEvent::leave ? "was stopped"
                                                : "did not end within " + seconds(hook_config(run.hook).timeout);
      }
      run.phase = HookPhase::stopping;
      run.deadline = ctx_.now + kStopPatience;
      return act(Stop{run.id});
    case HookStep::again:
      act(Forget{run.id});
      act(about(ReportKind::hook_started,
                "hook " + std::string(name(run.hook)) + " is begun again: fleetd ended before it was known to run", run));
      return start_hook(run);
    case HookStep::to_passed:
      run.trouble.clear();
      return end(run, HookPhase::passed);
    case HookStep::to_failed: return end(run, HookPhase::failed);
  }
}

void Machine::end(HookRun& run, HookPhase phase) {
  run.phase = phase;
  run.deadline = milliseconds(0);
  run.took = ctx_.now - run.since;
  act(Forget{run.id});
  tell_end(run);
  auto& rollout = *state_.rollout;
  if (phase == HookPhase::passed || !before_commit(rollout.phase)) return;
  rollout.exit_code = run.exit_code;
  rollout.signal = run.signal;
  fail_rollout(ErrorKind::unhealthy, "hook " + std::string(name(run.hook)) + " " + run.trouble, run.id);
}

void Machine::tell_end(const HookRun& run) {
  const bool passed = run.phase == HookPhase::passed;
  Report ended = about(ReportKind::hook_finished,
                       "hook " + std::string(name(run.hook)) + (passed ? " passed" : " failed: " + run.trouble), run);
  ended.exit_code = run.exit_code;
  ended.signal = run.signal;
  act(std::move(ended));
}

// Old instances are told to stop once the hook pre_stop is over, which begins when all of them have finished.
bool Machine::is_held_back(const Instance& instance) const {
  if (instance.phase != InstancePhase::draining || instance.wanted || !state_.rollout) return false;
  const auto phase = state_.rollout->phase;
  return phase >= RolloutPhase::commit && phase <= RolloutPhase::pre_stop && has_hook(Hook::pre_stop);
}

void Machine::keep_back(Instance& instance) {
  instance.drained = true;
  instance.deadline = milliseconds(0);
}

}  // namespace fleet::plan
