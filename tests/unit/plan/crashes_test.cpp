// Crash loops, and crashes that count against the deployment they follow: FAULTS A9.
#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

struct Crashes : testing::Test {
  AppUnderTest app{1};
  std::string only() const { return app.state.instances.front().id; }
  void crash() { app.feed(Ended{only(), "exited with code 3", 3, {}}); }
  void crash_and_come_back() {
    crash();
    app.wait(backoff_delay(app.state.instances.front().crashes));
    app.warm_up();
  }
  const Watch& watch() const { return app.state.watch; }
};

TEST_F(Crashes, OfThreeInARowAreToldAsALoopOnce) {
  app.serve("a");
  crash_and_come_back();
  crash_and_come_back();
  crash();
  const auto* told = app.told(ReportKind::app_crash_loop);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->message, only() + " crashes again and again, 3 times in a row: exited with code 3");
  EXPECT_EQ(told->instance, only());
  app.wait(4s);
  app.warm_up();
  crash();
  EXPECT_EQ(app.told(ReportKind::app_crash_loop), nullptr);
}

TEST_F(Crashes, AreForgottenOnceTheInstanceWasInRotationForAGoodWhile) {
  app.serve("a");
  crash_and_come_back();
  ASSERT_EQ(app.state.instances.front().crashes, 1u);
  app.wait(59s);
  EXPECT_EQ(app.state.instances.front().crashes, 1u);
  app.wait(1s);
  EXPECT_EQ(app.state.instances.front().crashes, 0u) << "status shows it without another crash";
  EXPECT_EQ(app.ready().size(), 1u);
}

TEST_F(Crashes, SoonAfterTheSwitchCountAgainstTheDeployment) {
  app.serve("a");
  app.serve("b");
  crash();
  EXPECT_TRUE(app.did("blame 2"));
  EXPECT_EQ(watch().crashes, 1u);
  EXPECT_THAT(watch().unstable, IsEmpty());
}

TEST_F(Crashes, OfAsManyAsConfiguredMakeItUnstable) {
  app.config.deploy.crashes = 2;
  app.serve("a");
  crash_and_come_back();
  EXPECT_EQ(app.told(ReportKind::deployment_unstable), nullptr);
  crash();
  const auto* told = app.told(ReportKind::deployment_unstable);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->deployment, 1u);
  EXPECT_THAT(told->message, HasSubstr("deploy 1 of shop is unstable: v1 crashed 2 times within 1s of the switch"));
  EXPECT_THAT(watch().unstable, HasSubstr("v1 crashed 2 times"));
  EXPECT_FALSE(due_rollback(app.state)) << "nobody asked for that";
}

TEST_F(Crashes, LongAfterTheSwitchAreNotItsFault) {
  app.config.deploy.watch = 5min;
  app.serve("a");
  app.wait(5min);
  crash();
  EXPECT_FALSE(app.did("blame 1"));
  EXPECT_EQ(watch().crashes, 0u);
}

TEST_F(Crashes, OfTheReleaseBeforeAreNotItsFault) {
  app.serve("a");
  app.deploy("b");
  crash();
  EXPECT_FALSE(app.did("blame 2"));
  EXPECT_TRUE(app.did("blame 1"));
}

TEST_F(Crashes, WithoutAWatchCountAgainstNothing) {
  app.config.deploy.watch = 0ms;
  app.serve("a");
  crash();
  EXPECT_FALSE(app.did("blame 1"));
}

TEST_F(Crashes, OfTheMachineCountAgainstNothing) {
  app.config.deploy.crashes = 1;
  app.serve("a");
  app.come_back({}, true);
  EXPECT_FALSE(app.did("blame 1"));
  EXPECT_EQ(app.told(ReportKind::deployment_unstable), nullptr);
}

struct RollbackOnCrash : Crashes {
  RollbackOnCrash() { app.config.deploy.crashes = 2, app.config.deploy.rollback_on_crash = true; }
  // As the executor does with what is due.
  void roll_back() {
    auto request = due_rollback(app.state);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->requested_by, "fleetd");
    EXPECT_EQ(request->release, watch().previous);
    request->deployment = ++app.deployment;
    app.feed(*request);
  }
};

TEST_F(RollbackOnCrash, GoesBackOnceAndTheWatchIsOfTheRollback) {
  app.serve("a");
  app.serve("b");
  crash_and_come_back();
  EXPECT_FALSE(due_rollback(app.state));
  crash();
  EXPECT_THAT(app.told(ReportKind::deployment_unstable)->message, HasSubstr("it is rolled back"));
  roll_back();
  EXPECT_FALSE(due_rollback(app.state));
  app.warm_up();
  app.finish_rollout();
  EXPECT_EQ(app.state.current, 1u);
  EXPECT_EQ(watch().deployment, 3u);
  EXPECT_EQ(watch().kind, RolloutKind::rollback);
  crash_and_come_back();
  crash();
  EXPECT_THAT(watch().unstable, HasSubstr("v1 crashed 2 times"));
  EXPECT_FALSE(due_rollback(app.state)) << "a rollback is not rolled back";
}

TEST_F(RollbackOnCrash, OvertakesTheDeployWhileAllOldInstancesStillDrain) {
  app.config.deploy.crashes = 1;
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.feed(Acked{app.generation});
  ASSERT_EQ(app.in(InstancePhase::draining).size(), 1u);
  app.feed(Ended{"shop-v2-2", "was killed by SIGSEGV", 139, 11});
  const auto due = due_rollback(app.state);
  ASSERT_TRUE(due && overtakes(app.state, *due));
  roll_back();
  EXPECT_EQ(app.state.current, 1u);
  EXPECT_EQ(app.ready(), std::vector<std::string>{"shop-v1-1"});
}

TEST_F(RollbackOnCrash, IsForgottenWhenSomebodyDeploysFirst) {
  app.serve("a");
  app.serve("b");
  crash_and_come_back();
  crash();
  ASSERT_TRUE(due_rollback(app.state));
  app.deploy("c");
  EXPECT_FALSE(due_rollback(app.state));
}

TEST_F(RollbackOnCrash, ThatCannotBeIsToldAndForgotten) {
  app.serve("a");
  app.serve("b");
  crash_and_come_back();
  crash();
  app.feed(CannotRollBack{"v1 is gone"});
  ASSERT_TRUE(app.told(ReportKind::deployment_unstable));
  EXPECT_THAT(app.told(ReportKind::deployment_unstable)->message, HasSubstr("cannot be rolled back: v1 is gone"));
  EXPECT_FALSE(due_rollback(app.state));
}

TEST_F(RollbackOnCrash, HasNowhereToGoAfterAFirstDeployOrARestart) {
  app.serve("a");
  crash_and_come_back();
  crash();
  EXPECT_THAT(watch().unstable, HasSubstr("v1 crashed"));
  EXPECT_FALSE(due_rollback(app.state));
  app.wait(2min);
  app.warm_up();
  app.restart();
  app.warm_up();
  app.finish_rollout();
  crash_and_come_back();
  crash();
  EXPECT_FALSE(due_rollback(app.state));
}

TEST_F(RollbackOnCrash, OutlivesFleetd) {
  app.serve("a");
  app.serve("b");
  crash_and_come_back();
  crash();
  app.come_back({});
  EXPECT_TRUE(due_rollback(app.state));
}

TEST(UnchangedSource, EndsADeployWithoutTouchingAnything) {
  AppUnderTest app;
  app.serve("a");
  Request request{2, RolloutKind::deploy, "https://builds/a", "", 0, "cron"};
  request.known_etag = "\"1\"";
  request.known_release = 1;
  app.feed(request);
  const auto* fetch = std::get_if<Fetch>(&app.actions.back());
  for (const auto& action : app.actions) {
    if (std::holds_alternative<Fetch>(action)) fetch = std::get_if<Fetch>(&action);
  }
  ASSERT_TRUE(fetch);
  EXPECT_EQ(fetch->known_etag, "\"1\"");
  app.feed(Fetched{"", true});
  ASSERT_TRUE(app.finished());
  EXPECT_EQ(app.finished()->outcome, Outcome::unchanged);
  EXPECT_EQ(app.finished()->release, 1u);
  EXPECT_EQ(app.ready().size(), 1u);
}

}  // namespace
}  // namespace fleet::plan
