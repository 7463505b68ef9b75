#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using enum RolloutPhase;

struct Hooks : testing::Test {
  AppUnderTest app{1};
  RolloutPhase phase() const { return app.state.rollout ? app.state.rollout->phase : done; }

  // v1 serves; from now on there are hooks.
  void serve_v1() {
    app.serve("a");
    auto& hooks = app.config.hooks;
    for (auto* hook : {&hooks.pre_start, &hooks.pre_switch, &hooks.post_switch, &hooks.pre_stop, &hooks.on_failure}) {
      hook->command = {"bin/hook"};
    }
  }
};

TEST_F(Hooks, RunInTheirOrderEachOnceAndADeployWaitsForThem) {
  serve_v1();
  app.deploy("b");
  EXPECT_EQ(phase(), pre_start);
  EXPECT_THAT(app.did(), ElementsAre("keep v2", "run shop-v2-2-pre_start"));
  app.end_hook();
  EXPECT_EQ(phase(), warm);
  EXPECT_THAT(app.did(), ElementsAre("forget shop-v2-2-pre_start", "start shop-v2-3"));

  app.warm_up();
  EXPECT_EQ(phase(), pre_switch);
  EXPECT_TRUE(app.did("run shop-v2-4-pre_switch"));
  EXPECT_THAT(std::get<RunHook>(app.actions[1]).about, ElementsAre("shop-v2-3"));
  EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1"));
  app.end_hook();
  EXPECT_EQ(phase(), commit);
  EXPECT_THAT(app.ready(), ElementsAre("shop-v2-3"));

  app.feed(Acked{app.generation});
  EXPECT_EQ(phase(), post_switch);
  app.feed(Drained{"shop-v1-1"});
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::draining);  // pre_stop comes first
  app.end_hook();
  EXPECT_EQ(phase(), pre_stop);
  EXPECT_TRUE(app.did("run shop-v1-6-pre_stop"));
  app.end_hook();
  EXPECT_EQ(phase(), retire);
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::evicting);
  app.feed(Acked{app.generation});
  EXPECT_THAT(app.did(), ElementsAre("stop shop-v1-1"));
  app.feed(Ended{"shop-v1-1", "exited with code 0", 0, {}});
  ASSERT_TRUE(app.finished());
  EXPECT_EQ(app.finished()->outcome, Outcome::changed);
  std::vector<Hook> ran;
  for (const auto& run : app.finished()->hooks) {
    EXPECT_EQ(run.phase, HookPhase::passed);
    ran.push_back(run.hook);
  }
  EXPECT_THAT(ran, ElementsAre(Hook::pre_start, Hook::pre_switch, Hook::post_switch, Hook::pre_stop));
}

TEST_F(Hooks, ThatFailBeforeTheCommitFailTheDeployAndThenOnFailureRuns) {
  for (const auto hook : {Hook::pre_start, Hook::pre_switch}) {
    SCOPED_TRACE(name(hook));
    app = AppUnderTest(1);
    serve_v1();
    app.deploy("b");
    if (hook == Hook::pre_switch) app.end_hook(), app.warm_up();
    const auto id = app.hook()->id;
    app.end_hook(3);
    EXPECT_EQ(app.state.rollout->error, "hook " + std::string(name(hook)) + " exited with code 3");
    EXPECT_EQ(app.state.rollout->failed_instance, id);
    EXPECT_EQ(app.state.rollout->exit_code, 3);
    if (hook == Hook::pre_switch) {
      EXPECT_EQ(phase(), abort);
      app.feed(Ended{"shop-v2-3", "exited with code 0", 0, {}});
    }
    EXPECT_EQ(phase(), on_failure);
    app.end_hook(1);
    ASSERT_TRUE(app.finished());
    EXPECT_EQ(app.finished()->outcome, Outcome::kept_old);
    EXPECT_TRUE(app.did("discard v2"));
    EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1"));
  }
}

TEST_F(Hooks, ThatFailAfterTheCommitAreToldAndTheDeployGoesOn) {
  serve_v1();
  app.deploy("b");
  app.end_hook();
  app.warm_up();
  app.end_hook();
  app.feed(Acked{app.generation});
  app.end_hook(1);
  ASSERT_TRUE(app.told(ReportKind::hook_finished));
  EXPECT_THAT(app.told(ReportKind::hook_finished)->message, HasSubstr("hook post_switch failed: exited with code 1"));
  EXPECT_EQ(phase(), drain);
  app.feed(Drained{"shop-v1-1"});
  app.end_hook(1);
  EXPECT_EQ(phase(), retire);
  app.feed(Acked{app.generation});
  app.feed(Ended{"shop-v1-1", "exited with code 0", 0, {}});
  ASSERT_TRUE(app.finished());
  EXPECT_EQ(app.finished()->outcome, Outcome::changed);
  EXPECT_EQ(app.finished()->error, "");
}

TEST_F(Hooks, AreKilledWhenTheirTimeIsOverOrTheDeployIsAborted) {
  serve_v1();
  app.deploy("b");
  app.feed(Started{"shop-v2-2-pre_start", 1, 2});
  app.wait(app.config.hooks.pre_start.timeout + milliseconds(5000));
  EXPECT_TRUE(app.did("stop shop-v2-2-pre_start"));
  app.feed(Ended{"shop-v2-2-pre_start", "was killed by SIGKILL", 137, 9});
  EXPECT_EQ(app.state.rollout->error, "hook pre_start did not end within 300s");
  app.end_hook();
  EXPECT_FALSE(app.state.rollout);

  app.deploy("c");
  const auto id = app.hook()->id;
  app.feed(Started{id, 1, 2});
  app.feed(Abort{"bob"});
  EXPECT_TRUE(app.did("stop " + id));
  EXPECT_EQ(phase(), abort);
  app.feed(Ended{id, "was killed by SIGKILL", 137, 9});
  EXPECT_EQ(phase(), on_failure);
  EXPECT_EQ(app.state.rollout->error, "aborted by bob");
}

TEST_F(Hooks, OfAFormerFleetdGoOnAndAreNotBegunAgain) {
  serve_v1();
  app.deploy("b");
  app.feed(Started{"shop-v2-2-pre_start", 1, 2});
  app.come_back();
  EXPECT_FALSE(app.did("run shop-v2-3-pre_start"));
  app.feed(Ended{"shop-v2-2-pre_start", "exited with code 0", 0, {}});
  EXPECT_EQ(phase(), warm);
}

TEST_F(Hooks, ThatNobodyKnowsTheEndOfHaveFailed) {
  serve_v1();
  app.deploy("b");
  app.feed(Started{"shop-v2-2-pre_start", 1, 2});
  app.come_back({"shop-v1-1"});
  EXPECT_EQ(phase(), on_failure);
  EXPECT_THAT(app.state.rollout->error, HasSubstr("hook pre_start ended while fleetd was away"));
}

TEST_F(Hooks, ThatAreNotKnownToHaveRunAreBegunAgainAndThatIsTold) {
  serve_v1();
  app.deploy("b");
  app.come_back({"shop-v1-1"});
  EXPECT_EQ(phase(), pre_start);
  EXPECT_TRUE(app.did("run shop-v2-3-pre_start"));
  ASSERT_TRUE(app.told(ReportKind::hook_started));
  EXPECT_THAT(app.told(ReportKind::hook_started)->message, HasSubstr("begun again"));
}

TEST_F(Hooks, OfWhatARollbackOvertakesAreKilledAndForgotten) {
  serve_v1();
  app.deploy("b");
  app.end_hook();
  app.warm_up();
  app.end_hook();
  app.feed(Acked{app.generation});
  ASSERT_EQ(phase(), post_switch);
  const auto id = app.hook()->id;
  app.rollback();
  EXPECT_TRUE(app.did("drop " + id));
  EXPECT_EQ(phase(), commit);
  EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1"));
  app.feed(Ended{id, "exited with code 0", 0, {}});  // late
  EXPECT_EQ(phase(), commit);
}

TEST_F(Hooks, BeforeTheStartAreOfDeploysOnly) {
  serve_v1();
  app.restart();
  EXPECT_EQ(phase(), warm);
  app.warm_up();
  EXPECT_EQ(phase(), pre_switch);
}

TEST_F(Hooks, WaitForACandidateThatBecameUnhealthyMeanwhile) {
  serve_v1();
  app.deploy("b");
  app.end_hook();
  app.warm_up();
  app.fail("shop-v2-3");
  app.end_hook();
  EXPECT_EQ(phase(), pre_switch);
  app.pass("shop-v2-3");
  EXPECT_EQ(phase(), commit);
}

TEST_F(Hooks, OfACandidateThatCrashesAreKilled) {
  serve_v1();
  app.deploy("b");
  app.end_hook();
  app.warm_up();
  const auto id = app.hook()->id;
  app.feed(Ended{"shop-v2-3", "was killed by SIGSEGV", 139, 11});
  EXPECT_EQ(phase(), abort);
  EXPECT_TRUE(app.did("stop " + id));
}

TEST_F(Hooks, OfALastStopDoNotHoldBackWhenTheAppIsRemoved) {
  serve_v1();
  app.deploy("b");
  app.end_hook();
  app.warm_up();
  app.end_hook();
  app.feed(Acked{app.generation});
  app.feed(Drained{"shop-v1-1"});
  app.feed(Removed{});
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::evicting);
}

TEST(HookId, IsNoInstancesAndSaysWhoseItIs) {
  const auto id = hook_id({"shop-v1-2", 42, 118}, Hook::on_failure);
  EXPECT_EQ(id, "shop-v1-2-v42-118-on_failure");
  EXPECT_FALSE(parse_instance_name(id));
  const auto name = parse_hook_id(id);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->app, "shop-v1-2");
  EXPECT_EQ(name->serial, 118u);
  EXPECT_FALSE(parse_hook_id("shop-v42-118"));
  EXPECT_FALSE(parse_hook_id("shop-v42-118-after"));
}

}  // namespace
}  // namespace fleet::plan
