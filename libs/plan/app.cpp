#include "plan/app.hpp"

#include <algorithm>
#include <set>

#include "plan/probing.hpp"

namespace fleet::plan {
namespace {

// An instance that stayed in rotation this long starts its back-off from the beginning.
constexpr milliseconds kGoodWhile{60'000};
// The shim kills at stop_timeout; if nothing is heard of it this much later, it is told again.
constexpr milliseconds kStopPatience{5'000};
// The shim kills a hook at its timeout, whether or not there is a fleetd; so much later it is told to.
constexpr milliseconds kHookPatience{5'000};

std::string seconds(milliseconds time) {
  const auto ms = time.count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& one : names) text += (text.empty() ? "" : ", ") + one;
  return text;
}

class Machine {
 public:
  Machine(AppState state, const Context& context) : state_(std::move(state)), ctx_(context) {}

  Step run(const Event& event) {
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

 private:
  // -- events --

  void on(const Request& request) {
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

  void on(const Fetched& fetched) {
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

  void on(const FetchFailed& failed) {
    if (fetching()) fail_rollout(failed.kind, failed.error, "");
  }

  void on(const Started& started) {
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

  void on(const Probed& probed) {
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

  void on(const NotifiedReady& ready) {
    Instance* instance = find(ready.instance);
    if (instance && health_of(*instance).kind == HealthKind::notify) apply(*instance, InstanceEvent::healthy);
  }

  void on(const Ended& ended) {
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

  void on(const Acked& acked) {
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

  void on(const Drained& drained) {
    Instance* instance = find(drained.instance);
    if (instance && is_held_back(*instance)) return keep_back(*instance);
    if (instance) apply(*instance, InstanceEvent::drained);
  }

  void on(const Abort& abort) {
    if (!state_.rollout || !before_commit(state_.rollout->phase)) return;
    fail_rollout(ErrorKind::aborted, "aborted by " + abort.requested_by, "", RolloutEvent::abort);
  }

  void on(const Configured&) {
    state_.removed = false;
    publish_ = true;  // the route may have changed without any instance
    scale();
  }

  void on(const Hold& hold) {
    if (state_.removed || hold.until == state_.held_until) return;
    state_.held_until = hold.until;
    act(about(ReportKind::hold_started, "requests of " + state_.name + " are held, asked for by " + hold.requested_by));
  }

  void on(const Unhold& unhold) {
    if (state_.held_until.count() == 0) return;
    state_.held_until = {};
    act(about(ReportKind::hold_ended, "requests of " + state_.name + " go on: " + unhold.why));
  }

  void on(const Removed&) {
    state_.removed = true;
    state_.held_until = {};
    await({});
    publish_ = true;
    if (state_.rollout && before_commit(state_.rollout->phase)) {
      fail_rollout(ErrorKind::aborted, "the app was removed from the configuration", "", RolloutEvent::abort);
    }
    for (auto& instance : state_.instances) leave(instance);
  }

  void on(const Recovered& recovered) {
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

  void on(const Awaits& awaits) {
    if (state_.awaits.empty() || awaits.apps == state_.awaits) return;
    if (awaits.apps.empty()) return start_waiting();
    state_.awaits = awaits.apps;
  }

  void on(const CannotRollBack& cannot) {
    if (!std::exchange(state_.watch.rollback_due, false)) return;
    act(about_watched("cannot be rolled back: " + cannot.why));
  }

  void on(const Tick&) {}

  void recover(Instance& instance, const Recovered& recovered) {
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

  void recover(HookRun& run, const Recovered& recovered) {
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

  void restart_now(Instance& instance) {
    if (instance.phase != InstancePhase::backoff) return;
    instance.crashes = 0;
    instance.deadline = state_.awaits.empty() ? std::max(ctx_.now, milliseconds(1)) : state_.start_by;  // 0 would be none
  }

  // -- waiting for other apps --

  void await(const std::vector<std::string>& apps) {
    state_.awaits = apps;
    state_.start_by = apps.empty() ? milliseconds(0) : ctx_.now + ctx_.config.start_wait;
    if (!apps.empty()) act(about(ReportKind::app_waits, state_.name + " waits for " + listed(apps) + " before it is started"));
  }

  void start_waiting() {
    await({});
    for (auto& instance : state_.instances) {
      if (instance.crashes == 0) restart_now(instance);
    }
  }

  // -- instances --

  const HealthConfig& health_of(const Instance& instance) const { return ctx_.of(instance.release).health; }

  void apply(Instance& instance, InstanceEvent event) {
    const auto from = instance.phase;
    advance(instance, event);
    if (instance.candidate) candidate_event(instance, from, event);
  }

  void advance(Instance& instance, InstanceEvent event) {
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

  void enter(Instance& instance, InstancePhase phase) {
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

  void crashed(Instance& instance) {
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
  void blame(const Instance& instance) {
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
  void renew(Instance& instance) {
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

  void add_instance(std::uint64_t release, std::uint32_t index, bool candidate) {
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

  void leave(Instance& instance) {
    instance.wanted = false;
    apply(instance, InstanceEvent::leave);
  }

  // As many wanted instances of the current release as are configured.
  void scale() {
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

  // -- hooks --

  // The one that is under way.
  HookRun* hook() {
    if (!state_.rollout || state_.rollout->hooks.empty() || is_over(state_.rollout->hooks.back())) return nullptr;
    return &state_.rollout->hooks.back();
  }
  HookRun* hook(const std::string& id) {
    HookRun* run = hook();
    return run && run->id == id ? run : nullptr;
  }

  // Whose it is, and in whose folder it runs. That of what could not be fetched is the current one's.
  std::uint64_t release_of(Hook which) const {
    const auto& rollout = *state_.rollout;
    const auto release = which == Hook::pre_stop ? rollout.previous : rollout.release;
    return release != 0 ? release : state_.current;
  }
  const HookConfig& hook_config(Hook which) const { return ctx_.of(release_of(which)).hooks.of(which); }

  // Whether there is anything for it to do. Migrations are of a deploy; what went before it may not know them.
  bool has_hook(Hook which) const {
    const auto& rollout = *state_.rollout;
    if (state_.removed || hook_config(which).command.empty()) return false;
    if (which == Hook::pre_start) return rollout.kind == RolloutKind::deploy;
    return which != Hook::pre_stop || rollout.left > 0;
  }

  // Enters the phase if it has a hook to run.
  bool begin_hook(RolloutPhase phase) {
    const auto which = *hook_of(phase);
    if (!has_hook(which)) return false;
    enter(phase);
    HookRun run;
    run.hook = which;
    run.release = release_of(which);
    start_hook(state_.rollout->hooks.emplace_back(std::move(run)));
    return true;
  }

  void start_hook(HookRun& run) {
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
  std::vector<std::string> addressed_by(Hook which) const {
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

  void apply(HookRun& run, HookEvent event) {
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

  void end(HookRun& run, HookPhase phase) {
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

  void tell_end(const HookRun& run) {
    const bool passed = run.phase == HookPhase::passed;
    Report ended = about(ReportKind::hook_finished,
                         "hook " + std::string(name(run.hook)) + (passed ? " passed" : " failed: " + run.trouble), run);
    ended.exit_code = run.exit_code;
    ended.signal = run.signal;
    act(std::move(ended));
  }

  // Old instances are told to stop once the hook pre_stop is over, which begins when all of them have finished.
  bool is_held_back(const Instance& instance) const {
    if (instance.phase != InstancePhase::draining || instance.wanted || !state_.rollout) return false;
    const auto phase = state_.rollout->phase;
    return phase >= RolloutPhase::commit && phase <= RolloutPhase::pre_stop && has_hook(Hook::pre_stop);
  }

  void keep_back(Instance& instance) {
    instance.drained = true;
    instance.deadline = milliseconds(0);
  }

  // -- the rollout --

  bool is_current(const std::string& sha256) const { return sha256 == state_.current_sha256 && !state_.rollout->anew; }
  bool fetching() const { return state_.rollout && state_.rollout->phase == RolloutPhase::prepare; }

  Fetch fetch() const {
    const auto& rollout = *state_.rollout;
    return {rollout.url, rollout.sha256, state_.next_release, rollout.force, rollout.known_etag, rollout.remote};
  }

  void begin(const Request& request) {
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

  void candidate_event(const Instance& instance, InstancePhase from, InstanceEvent event) {
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

  void fail_rollout(ErrorKind kind, std::string error, std::string instance, RolloutEvent event = RolloutEvent::failed) {
    auto& rollout = *state_.rollout;
    if (!before_commit(rollout.phase)) return;
    if (rollout.phase == RolloutPhase::prepare) act(CancelFetch{});
    rollout.error_kind = kind;
    rollout.error = std::move(error);
    rollout.failed_instance = std::move(instance);
    rollout_event(event);
  }

  void rollout_event(RolloutEvent event) { follow(rollout_step(state_.rollout->phase, event)); }

  void follow(RolloutStep step) {
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

  void hook_phase(RolloutPhase phase) {
    if (!begin_hook(phase)) follow(rollout_step(phase, RolloutEvent::hooked));
  }

  void enter(RolloutPhase phase) {
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

  void commit() {
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

  void switch_to(std::uint64_t release, std::string sha256) {
    if (release != state_.current) state_.previous = std::exchange(state_.current, release);
    state_.current_sha256 = std::move(sha256);
    state_.rollout->generation = ctx_.next_generation;
    state_.rollout->left = draining_of(state_, state_.rollout->previous);
    publish_ = true;
    await({});
    watch_for_crashes(*state_.rollout);
  }

  void watch_for_crashes(const Rollout& rollout) {
    state_.watch = {};
    if (ctx_.config.deploy.watch.count() == 0) return;
    state_.watch.deployment = rollout.deployment;
    state_.watch.kind = rollout.kind;
    state_.watch.release = rollout.release;
    state_.watch.previous = rollout.previous;
    state_.watch.until = ctx_.now + ctx_.config.deploy.watch;
  }

  // A rollback while the old instances still run: they come back, and those of the new release go.
  void repoint(const Request& request) {
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
  void drop(HookRun& run) {
    act(DropHook{run.id});
    run.phase = HookPhase::failed;
    run.trouble = "was stopped";
    run.deadline = milliseconds(0);
    run.took = ctx_.now - run.since;
    tell_end(run);
  }

  void finish() {
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

  // -- what follows from where things stand --

  void settle() {
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

  void release_held_back() {
    for (auto& instance : state_.instances) {
      if (instance.drained && !is_held_back(instance)) apply(instance, InstanceEvent::drained);
    }
  }

  // What the rollout's phase waits for, if it has come.
  std::optional<RolloutEvent> due_event() {
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

  Instance* find(const std::string& id) {
    const auto found = std::ranges::find(state_.instances, id, &Instance::id);
    return found == state_.instances.end() ? nullptr : &*found;
  }

  void act(Action action) { actions_.push_back(std::move(action)); }
  Report about(ReportKind kind, std::string message) const {
    Report report;
    report.kind = kind;
    report.message = std::move(message);
    if (state_.rollout) report.deployment = state_.rollout->deployment;
    return report;
  }
  Report about(ReportKind kind, std::string message, const Instance& instance) const {
    Report report = about(kind, std::move(message));
    report.instance = instance.id;
    report.release = instance.release;
    if (instance.pid != 0) report.pid = instance.pid;
    if (instance.port != 0) report.port = instance.port;
    return report;
  }

  Report about(ReportKind kind, std::string message, const HookRun& run) const {
    Report report = about(kind, std::move(message));
    report.instance = run.id;
    if (run.release != 0) report.release = run.release;
    report.hook = run.hook;
    return report;
  }

  Report about_watched(const std::string& what) const {
    Report report = about(ReportKind::deployment_unstable, std::string(name(state_.watch.kind)) + " " +
                                                               std::to_string(state_.watch.deployment) + " of " +
                                                               state_.name + " " + what);
    report.deployment = state_.watch.deployment;
    report.release = state_.watch.release;
    return report;
  }

  AppState state_;
  const Context& ctx_;
  std::vector<Action> actions_;
  bool publish_ = false;
  bool booting_ = false;  // what ended, ended with the machine
};

}  // namespace

Step step(AppState state, const Event& event, const Context& context) {
  return Machine(std::move(state), context).run(event);
}

}  // namespace fleet::plan
