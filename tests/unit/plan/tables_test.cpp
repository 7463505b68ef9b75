// Every cell of both tables, held to the rules that the tables are meant to say, and driven through step() from each
// phase by real events, so that "ignore" is seen to leave the phase as it was.
#include <gmock/gmock.h>

#include <algorithm>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

template <NamedEnum E>
std::vector<E> all() {
  std::vector<E> values;
  for (std::size_t i = 0; i < enum_count<E>(); ++i) values.push_back(static_cast<E>(i));
  return values;
}

template <NamedEnum E>
bool one_of(E value, std::initializer_list<E> set) {
  return std::ranges::find(set, value) != set.end();
}

// ---- instances ----

// Where a wanted instance goes: the same phase when the event means nothing to it.
InstancePhase rule(InstancePhase phase, InstanceEvent event) {
  using enum InstancePhase;
  const auto when = [&](InstancePhase from, InstancePhase to) { return phase == from ? to : phase; };
  switch (event) {
    case InstanceEvent::started: return when(starting, warming);
    // Health moves what is on its way, and what is in or out of rotation; nothing that leaves.
    case InstanceEvent::healthy: return phase == warming ? warm : when(unhealthy, ready);
    case InstanceEvent::unhealthy: return phase == warm ? warming : when(ready, unhealthy);
    // Into rotation comes what is known to be healthy, or was in rotation and still runs undisturbed.
    case InstanceEvent::join: return one_of(phase, {warm, draining}) ? ready : phase;
    // What may have requests drains; what never had any is stopped; what has no process is gone.
    case InstanceEvent::leave:
      if (one_of(phase, {ready, unhealthy})) return draining;
      if (one_of(phase, {starting, warming, warm})) return stopping;
      return when(backoff, gone);
    case InstanceEvent::drained: return when(draining, evicting);
    case InstanceEvent::let_go: return when(evicting, stopping);
    // What was drained is gone; what has no process cannot end.
    case InstanceEvent::ended:
      if (phase == draining) return gone;
      return is_running(phase) ? backoff : phase;
    case InstanceEvent::timeout:
      if (one_of(phase, {starting, warming, stopping})) return stopping;
      return phase == backoff ? starting : one_of(phase, {draining, unhealthy}) ? evicting : phase;
  }
  return phase;
}

InstancePhase target(InstanceStep step, InstancePhase from) {
  using enum InstancePhase;
  switch (step) {
    case InstanceStep::ignore: return from;
    case InstanceStep::to_warming: return warming;
    case InstanceStep::to_warm: return warm;
    case InstanceStep::to_ready: return ready;
    case InstanceStep::to_unhealthy: return unhealthy;
    case InstanceStep::to_draining: return draining;
    case InstanceStep::to_evicting: return evicting;
    case InstanceStep::to_gone: return gone;
    case InstanceStep::stop: return stopping;
    case InstanceStep::end: return backoff;
    case InstanceStep::restart: return starting;
  }
  return from;
}

TEST(InstanceTable, EveryCellFollowsItsRule) {
  for (const auto phase : all<InstancePhase>()) {
    for (const auto event : all<InstanceEvent>()) {
      EXPECT_EQ(name(target(instance_step(phase, event), phase)), name(rule(phase, event)))
          << name(phase) << " on " << name(event);
    }
  }
}

TEST(InstanceTable, APhaseStaysOnlyByIgnoringOrByStoppingAgain) {
  for (const auto phase : all<InstancePhase>()) {
    for (const auto event : all<InstanceEvent>()) {
      const auto step = instance_step(phase, event);
      if (step == InstanceStep::ignore || target(step, phase) != phase) continue;
      EXPECT_TRUE(phase == InstancePhase::stopping && event == InstanceEvent::timeout);
    }
  }
}

TEST(InstanceTable, ASignalComesOnlyWhereNoRequestCanBe) {
  using enum InstancePhase;
  for (const auto phase : {ready, unhealthy, draining}) {
    for (const auto event : all<InstanceEvent>()) {
      EXPECT_NE(instance_step(phase, event), InstanceStep::stop) << name(phase) << " on " << name(event);
    }
  }
  for (const auto event : all<InstanceEvent>()) {
    EXPECT_EQ(instance_step(evicting, event) == InstanceStep::stop, event == InstanceEvent::let_go) << name(event);
  }
}

TEST(InstanceTable, NothingComesBackFromGone) {
  for (const auto event : all<InstanceEvent>()) {
    EXPECT_EQ(instance_step(InstancePhase::gone, event), InstanceStep::ignore);
  }
}

TEST(InstanceTable, GoneIsReachedFromEveryPhase) {
  for (const auto from : all<InstancePhase>()) {
    bool gone = from == InstancePhase::gone;
    auto phase = from;
    for (int i = 0; i < 8 && !gone; ++i) {  // leave, and whatever its phase waits for
      for (const auto event : {InstanceEvent::leave, InstanceEvent::drained, InstanceEvent::let_go}) {
        phase = target(instance_step(phase, event), phase);
      }
      const auto step = instance_step(phase, InstanceEvent::ended);
      gone = phase == InstancePhase::gone || step == InstanceStep::end || step == InstanceStep::to_gone;
    }
    EXPECT_TRUE(gone) << name(from);
  }
}

struct InstanceCell : testing::Test {
  // One instance of a quiet app in `phase`. A warm one is a candidate that waits for another: one that is not joins
  // at once.
  static AppUnderTest in(InstancePhase phase) {
    AppUnderTest app;
    app.generation = 5;
    app.config.health.kind = HealthKind::notify;
    app.config.health.unhealthy = 1;
    app.state.current = 1;
    Instance instance;
    instance.id = "it";
    instance.release = 1;
    instance.phase = phase;
    instance.since = milliseconds(900);
    if (one_of(phase, {InstancePhase::draining, InstancePhase::evicting})) {
      instance.generation = 5;
      instance.wanted = false;
    }
    if (phase == InstancePhase::warm) {
      instance.candidate = true;
      Instance other = instance;
      other.id = "other";
      other.phase = InstancePhase::starting;
      app.state.instances.push_back(other);
      app.state.rollout.emplace();
      app.state.rollout->phase = RolloutPhase::warm;
    }
    app.state.instances.insert(app.state.instances.begin(), instance);
    return app;
  }

  static void feed(AppUnderTest& app, InstanceEvent event) {
    switch (event) {
      case InstanceEvent::started: return app.feed(Started{"it", 1, 2});
      case InstanceEvent::healthy: return app.feed(NotifiedReady{"it"});
      case InstanceEvent::unhealthy: return app.feed(Probed{"it", ProbeOutcome::failed, "503"});
      case InstanceEvent::join: return app.feed(Tick{});  // nothing asks for it but a rollout
      case InstanceEvent::leave: return app.feed(Removed{});
      case InstanceEvent::drained: return app.feed(Drained{"it"});
      case InstanceEvent::let_go: return app.feed(Acked{5});
      case InstanceEvent::ended: return app.feed(Ended{"it", "exited with code 1", 1, {}});
      case InstanceEvent::timeout:
        app.state.instances.front().deadline = app.now;
        return app.feed(Tick{});
    }
  }

  static InstancePhase after(const AppUnderTest& app) {
    return app.state.instances.empty() || app.state.instances.front().id == "other" ? InstancePhase::gone
                                                                                     : app.state.instances.front().phase;
  }
};

TEST_F(InstanceCell, DoesThroughStepWhatItsRuleSays) {
  for (const auto phase : all<InstancePhase>()) {
    if (phase == InstancePhase::gone) continue;
    for (const auto event : all<InstanceEvent>()) {
      SCOPED_TRACE(std::string(name(phase)) + " on " + std::string(name(event)));
      auto app = in(phase);
      feed(app, event);
      auto expected = event == InstanceEvent::join ? phase : rule(phase, event);
      if (phase == InstancePhase::warm && event == InstanceEvent::ended) expected = InstancePhase::gone;  // a candidate
      if (phase == InstancePhase::evicting && event == InstanceEvent::ended) expected = InstancePhase::gone;  // not wanted
      if (phase == InstancePhase::warming && event == InstanceEvent::healthy) expected = InstancePhase::ready;  // joins
      EXPECT_EQ(name(after(app)), name(expected));
    }
  }
}

TEST_F(InstanceCell, GoesToGoneWhenItEndsAndIsNotWanted) {
  for (const auto phase : all<InstancePhase>()) {
    if (!is_running(phase) || phase == InstancePhase::warm) continue;
    auto app = in(phase);
    app.state.instances.front().wanted = false;
    feed(app, InstanceEvent::ended);
    EXPECT_EQ(after(app), InstancePhase::gone) << name(phase);
    EXPECT_TRUE(app.did("forget it")) << name(phase);
  }
}

TEST_F(InstanceCell, IsNotMovedByHealthOnceItLeaves) {
  for (const auto phase : {InstancePhase::draining, InstancePhase::evicting, InstancePhase::stopping}) {
    auto app = in(phase);
    for (int i = 0; i < 5; ++i) app.feed(Probed{"it", i % 2 ? ProbeOutcome::passed : ProbeOutcome::failed, ""});
    app.feed(NotifiedReady{"it"});
    EXPECT_EQ(after(app), phase);
  }
}

// ---- rollouts ----

RolloutPhase rule(RolloutPhase phase, RolloutEvent event) {
  using enum RolloutPhase;
  const auto when = [&](RolloutPhase from, RolloutPhase to) { return phase == from ? to : phase; };
  switch (event) {
    case RolloutEvent::fetched: return when(prepare, pre_start);
    case RolloutEvent::current: return when(prepare, done);
    case RolloutEvent::all_warm: return when(warm, pre_switch);
    case RolloutEvent::acked: return when(commit, post_switch);
    case RolloutEvent::drained: return when(drain, pre_stop);
    case RolloutEvent::stopped: return phase == retire ? done : when(abort, on_failure);
    // Each hook lies on the way between two phases.
    case RolloutEvent::hooked:
      if (!hook_of(phase)) return phase;
      return phase == on_failure ? done : static_cast<RolloutPhase>(static_cast<int>(phase) + 1);
    // Before commit there is a way back, after it there is none.
    case RolloutEvent::failed:
    case RolloutEvent::abort: return before_commit(phase) ? abort : phase;
  }
  return phase;
}

RolloutPhase target(RolloutStep step, RolloutPhase from) {
  using enum RolloutPhase;
  switch (step) {
    case RolloutStep::ignore: return from;
    case RolloutStep::to_pre_start: return pre_start;
    case RolloutStep::to_pre_switch: return pre_switch;
    case RolloutStep::to_post_switch: return post_switch;
    case RolloutStep::to_pre_stop: return pre_stop;
    case RolloutStep::to_on_failure: return on_failure;
    case RolloutStep::to_warm: return warm;
    case RolloutStep::to_commit: return commit;
    case RolloutStep::to_drain: return drain;
    case RolloutStep::to_retire: return retire;
    case RolloutStep::to_done: return done;
    case RolloutStep::to_abort: return abort;
  }
  return from;
}

TEST(RolloutTable, EveryCellFollowsItsRule) {
  for (const auto phase : all<RolloutPhase>()) {
    for (const auto event : all<RolloutEvent>()) {
      EXPECT_EQ(name(target(rollout_step(phase, event), phase)), name(rule(phase, event)))
          << name(phase) << " on " << name(event);
    }
  }
}

TEST(RolloutTable, EndsOnEveryPathAndNeverRunsInACircle) {
  for (const auto phase : all<RolloutPhase>()) {
    int ways = 0;
    for (const auto event : all<RolloutEvent>()) {
      const auto next = target(rollout_step(phase, event), phase);
      if (next == phase) continue;
      ++ways;
      EXPECT_TRUE(next > phase || next == RolloutPhase::done) << name(phase) << " on " << name(event);
    }
    EXPECT_EQ(ways > 0, phase != RolloutPhase::done) << name(phase);
  }
}

TEST(RolloutTable, HasOneWayIntoCommitAndNoneFromThereToAbort) {
  using enum RolloutPhase;
  for (const auto phase : all<RolloutPhase>()) {
    for (const auto event : all<RolloutEvent>()) {
      const auto step = rollout_step(phase, event);
      EXPECT_EQ(step == RolloutStep::to_commit, phase == pre_switch && event == RolloutEvent::hooked);
      EXPECT_TRUE(step != RolloutStep::to_abort || before_commit(phase));
    }
  }
}

TEST(RolloutTable, EachHookHasItsPhase) {
  for (const auto hook : all<Hook>()) EXPECT_TRUE(from_name<RolloutPhase>(name(hook))) << name(hook);
  for (const auto phase : all<RolloutPhase>()) EXPECT_EQ(hook_of(phase).has_value(), from_name<Hook>(name(phase)).has_value());
}

// ---- hooks ----

HookPhase rule(HookPhase phase, HookEvent event) {
  using enum HookPhase;
  if (phase == passed || phase == failed) return phase;
  switch (event) {
    case HookEvent::started: return phase == starting ? running : phase;
    // One that was told to end has failed, even if it came to its end before it heard.
    case HookEvent::succeeded: return phase == stopping ? failed : passed;
    case HookEvent::failed: return failed;
    case HookEvent::timeout:
    case HookEvent::leave: return stopping;
    // Only what is not known to have run is begun again.
    case HookEvent::lost: return phase == starting ? starting : failed;
  }
  return phase;
}

HookPhase target(HookStep step, HookPhase from) {
  switch (step) {
    case HookStep::ignore: return from;
    case HookStep::to_running: return HookPhase::running;
    case HookStep::stop: return HookPhase::stopping;
    case HookStep::again: return HookPhase::starting;
    case HookStep::to_passed: return HookPhase::passed;
    case HookStep::to_failed: return HookPhase::failed;
  }
  return from;
}

TEST(HookTable, EveryCellFollowsItsRule) {
  for (const auto phase : all<HookPhase>()) {
    for (const auto event : all<HookEvent>()) {
      EXPECT_EQ(name(target(hook_step(phase, event), phase)), name(rule(phase, event))) << name(phase) << " on " << name(event);
    }
  }
}

TEST(HookTable, BeginsNothingAgainThatIsKnownToHaveRun) {
  for (const auto phase : all<HookPhase>()) {
    for (const auto event : all<HookEvent>()) {
      if (hook_step(phase, event) != HookStep::again) continue;
      EXPECT_TRUE(phase == HookPhase::starting && event == HookEvent::lost);
    }
  }
}

// The hook pre_start of a deploy, in `phase`.
AppUnderTest hooked(HookPhase phase) {
  AppUnderTest app;
  app.config.hooks.pre_start.command = {"bin/migrate"};
  app.deploy("a");
  const auto id = app.hook()->id;
  if (phase != HookPhase::starting) app.feed(Started{id, 1, 2});
  if (phase == HookPhase::stopping) app.feed(Abort{"bob"});
  return app;
}

TEST(HookCell, DoesThroughStepWhatItsRuleSays) {
  using enum HookPhase;
  for (const auto phase : {starting, running, stopping}) {
    for (const auto event : all<HookEvent>()) {
      SCOPED_TRACE(std::string(name(phase)) + " on " + std::string(name(event)));
      auto app = hooked(phase);
      const auto id = app.hook()->id;
      ASSERT_EQ(name(app.hook()->phase), name(phase));
      switch (event) {
        case HookEvent::started: app.feed(Started{id, 1, 2}); break;
        case HookEvent::succeeded: app.feed(Ended{id, "exited with code 0", 0, {}}); break;
        case HookEvent::failed: app.feed(Ended{id, "exited with code 3", 3, {}}); break;
        case HookEvent::timeout:
          app.now = app.hook()->deadline;
          app.feed(Tick{});
          break;
        case HookEvent::leave: app.feed(Abort{"bob"}); break;
        case HookEvent::lost: app.come_back(std::vector<std::string>{}); break;
      }
      const auto expected = rule(phase, event);
      const auto* rollout = app.finished() ? app.finished() : &*app.state.rollout;
      ASSERT_EQ(rollout->hooks.size(), 1u);
      EXPECT_EQ(name(rollout->hooks[0].phase), name(expected));
      EXPECT_EQ(app.did("stop " + id), expected == stopping && (phase != stopping || event == HookEvent::timeout));
      EXPECT_EQ(app.did("forget " + id), expected == passed || expected == failed || event == HookEvent::lost);
      EXPECT_EQ(rollout->hooks[0].id != id, event == HookEvent::lost && phase == starting);
    }
  }
}

// A deploy of v2 (shop-v2-2) over v1 (shop-v1-1), as far as `wanted`, and not one event further.
AppUnderTest deploying(RolloutPhase wanted) {
  using enum RolloutPhase;
  AppUnderTest app;
  app.serve("a");
  app.feed(Request{2, RolloutKind::deploy, "https://builds/b", "", 0, "ann"});
  if (wanted == prepare) return app;
  app.feed(Fetched{"b"});
  app.start_all();
  if (wanted == abort) app.feed(Abort{"bob"});
  if (wanted == warm || wanted == abort) return app;
  app.pass("shop-v2-2");
  if (wanted == commit) return app;
  app.feed(Acked{app.generation});
  if (wanted == drain) return app;
  app.feed(Drained{"shop-v1-1"});
  app.feed(Acked{app.generation});
  return app;
}

// What the world can say at any time, and the phase in which each makes a difference.
struct Happening {
  std::string what;
  Event event;
  std::vector<std::pair<RolloutPhase, RolloutPhase>> moves;
};

TEST(RolloutCell, MovesOnWhatItsPhaseWaitsForAndIgnoresTheRest) {
  using enum RolloutPhase;
  const std::vector<Happening> happenings = {
      {"fetched", Fetched{"b"}, {{prepare, warm}}},
      {"fetched what runs already", Fetched{"a"}, {{prepare, done}}},
      {"the fetch failed", FetchFailed{ErrorKind::fetch, "404"}, {{prepare, done}}},  // aborts, with nothing to stop
      {"the candidate's start", Started{"shop-v2-2", 1, 2}, {}},
      {"the candidate ended", Ended{"shop-v2-2", "exited with code 1", 1, {}}, {{warm, done}, {abort, done}}},
      {"one success", Probed{"shop-v2-2", ProbeOutcome::passed, ""}, {}},
      {"acked", Acked{2}, {{commit, drain}}},
      {"acked an old table", Acked{1}, {}},
      {"the old instance drained", Drained{"shop-v1-1"}, {}},  // first it is evicted
      {"the old instance ended", Ended{"shop-v1-1", "exited with code 0", 0, {}}, {{drain, done}, {retire, done}}},
      {"abort", Abort{"bob"}, {{prepare, done}, {warm, abort}}},
      {"another deploy", Request{9, RolloutKind::deploy, "u", "", 0, "bob"}, {}},
      {"a restart", Request{9, RolloutKind::restart, "", "", 0, "bob"}, {}},
      {"a rollback elsewhere", Request{9, RolloutKind::rollback, "", "", 7, "bob"}, {}},
      {"new configuration", Configured{}, {}},
      {"removal", Removed{}, {{prepare, done}, {warm, abort}}},
      {"time", Tick{}, {}},
  };
  for (const auto from : {prepare, warm, commit, drain, retire, abort}) {
    for (const auto& happening : happenings) {
      SCOPED_TRACE(std::string(name(from)) + ": " + happening.what);
      auto app = deploying(from);
      ASSERT_TRUE(app.state.rollout && app.state.rollout->phase == from);
      app.feed(happening.event);
      auto expected = from;
      for (const auto& [phase, to] : happening.moves) expected = phase == from ? to : expected;
      const auto after = app.state.rollout ? app.state.rollout->phase : done;
      EXPECT_EQ(name(after), name(expected));
      EXPECT_EQ(app.finished() != nullptr, after == done);
    }
  }
}

}  // namespace
}  // namespace fleet::plan
