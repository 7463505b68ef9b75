// The machine behind step(), over one app's state: what each event means, and what follows from where things stand. Its parts
// are in app.cpp (events), app_instances.cpp, app_hooks.cpp and app_rollout.cpp.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/app.hpp"

namespace fleet::plan {

// The shim kills at stop_timeout; if nothing is heard of it this much later, it is told again.
constexpr milliseconds kStopPatience{5'000};

std::string seconds(milliseconds time);  // "30s", "1500ms"

class Machine {
 public:
  Machine(AppState state, const Context& context) : state_(std::move(state)), ctx_(context) {}
  Step run(const Event& event);

 private:
  // -- events --

  void on(const Request& request);
  void on(const Fetched& fetched);
  void on(const FetchFailed& failed);
  void on(const Started& started);
  void on(const Probed& probed);
  void on(const NotifiedReady& ready);
  void on(const Ended& ended);
  void on(const Acked& acked);
  void on(const Drained& drained);
  void on(const Abort& abort);
  void on(const Configured&);
  void on(const Hold& hold);
  void on(const Unhold& unhold);
  void on(const Removed&);
  void on(const Recovered& recovered);
  void on(const Awaits& awaits);
  void on(const CannotRollBack& cannot);
  void on(const Tick&) {}
  void recover(Instance& instance, const Recovered& recovered);
  void recover(HookRun& run, const Recovered& recovered);
  void restart_now(Instance& instance);

  // -- waiting for other apps --

  void await(const std::vector<std::string>& apps);
  void start_waiting();

  // -- instances --

  const HealthConfig& health_of(const Instance& instance) const { return ctx_.of(instance.release).health; }
  void apply(Instance& instance, InstanceEvent event);
  void advance(Instance& instance, InstanceEvent event);
  void enter(Instance& instance, InstancePhase phase);
  void crashed(Instance& instance);
  void blame(const Instance& instance);
  void renew(Instance& instance);
  void add_instance(std::uint64_t release, std::uint32_t index, bool candidate);
  void leave(Instance& instance);
  void scale();

  // -- hooks --

  HookRun* hook();
  HookRun* hook(const std::string& id);
  std::uint64_t release_of(Hook which) const;
  const HookConfig& hook_config(Hook which) const { return ctx_.of(release_of(which)).hooks.of(which); }
  bool has_hook(Hook which) const;
  bool begin_hook(RolloutPhase phase);
  void start_hook(HookRun& run);
  std::vector<std::string> addressed_by(Hook which) const;
  void apply(HookRun& run, HookEvent event);
  void end(HookRun& run, HookPhase phase);
  void tell_end(const HookRun& run);
  bool is_held_back(const Instance& instance) const;
  void keep_back(Instance& instance);

  // -- the rollout --

  bool is_current(const std::string& sha256) const { return sha256 == state_.current_sha256 && !state_.rollout->anew; }
  bool fetching() const { return state_.rollout && state_.rollout->phase == RolloutPhase::prepare; }
  Fetch fetch() const;
  void begin(const Request& request);
  void candidate_event(const Instance& instance, InstancePhase from, InstanceEvent event);
  void fail_rollout(ErrorKind kind, std::string error, std::string instance, RolloutEvent event = RolloutEvent::failed);
  void rollout_event(RolloutEvent event) { follow(rollout_step(state_.rollout->phase, event)); }
  void follow(RolloutStep step);
  void hook_phase(RolloutPhase phase);
  void enter(RolloutPhase phase);
  void commit();
  void switch_to(std::uint64_t release, std::string sha256);
  void watch_for_crashes(const Rollout& rollout);
  void repoint(const Request& request);
  void drop(HookRun& run);
  void finish();

  // -- what follows from where things stand --

  void settle();
  void release_held_back();
  std::optional<RolloutEvent> due_event();

  // -- finding and telling --

  Instance* find(const std::string& id);
  void act(Action action) { actions_.push_back(std::move(action)); }
  Report about(ReportKind kind, std::string message) const;
  Report about(ReportKind kind, std::string message, const Instance& instance) const;
  Report about(ReportKind kind, std::string message, const HookRun& run) const;
  Report about_watched(const std::string& what) const;

  AppState state_;
  const Context& ctx_;
  std::vector<Action> actions_;
  bool publish_ = false;
  bool booting_ = false;  // what ended, ended with the machine
};

}  // namespace fleet::plan
