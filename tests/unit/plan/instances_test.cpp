#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Instances : testing::Test {
  AppUnderTest app{1};
  void crash(const std::string& id) { app.feed(Ended{id, "was killed by SIGSEGV", {}, 11}); }
  std::string only() const { return app.state.instances.empty() ? "" : app.state.instances.front().id; }
  std::string publishes() const { return "publish " + std::to_string(app.generation); }
};

TEST_F(Instances, LeaveRotationInTheStepThatTheyCrashIn) {
  app.serve("a");
  crash("shop-v1-1");
  EXPECT_THAT(app.did(), ElementsAre("forget shop-v1-1", "blame 1", publishes()));
  EXPECT_THAT(app.routed(TargetState::ready), IsEmpty());
  EXPECT_EQ(health_of(app.state), "down");
}

TEST_F(Instances, AreStartedAgainAfter1_2_4SecondsUpTo60) {
  app.serve("a");
  for (const int wait : {1, 2, 4, 8, 16, 32, 60, 60, 60}) {
    crash(only());
    ASSERT_EQ(app.phase(only()), InstancePhase::backoff);
    app.wait(std::chrono::seconds(wait) - milliseconds(1));
    ASSERT_EQ(app.phase(only()), InstancePhase::backoff) << wait;
    app.wait(milliseconds(1));
    ASSERT_TRUE(app.did("start " + only())) << wait;
    app.feed(Started{only(), 4000, 77});
  }
  EXPECT_EQ(app.state.instances.front().restarts, 9u);
}

TEST_F(Instances, BackOffGrowsAlsoWhenTheyWereReadyForAMoment) {
  app.serve("a");
  crash(only());
  app.wait(std::chrono::seconds(1));
  app.warm_up();
  ASSERT_THAT(app.ready(), ElementsAre(only()));
  app.wait(std::chrono::seconds(59));
  crash(only());
  app.wait(milliseconds(1999));
  EXPECT_EQ(app.phase(only()), InstancePhase::backoff);
  app.wait(milliseconds(1));
  EXPECT_EQ(app.phase(only()), InstancePhase::starting);
}

TEST_F(Instances, BackOffBeginsAnewAfterAGoodWhileInRotation) {
  app.serve("a");
  for (int i = 0; i < 4; ++i) {
    crash(only());
    app.wait(std::chrono::seconds(60));
    app.warm_up();
  }
  app.wait(std::chrono::seconds(60));
  crash(only());
  EXPECT_EQ(app.state.instances.front().deadline - app.now, milliseconds(1000));
}

TEST_F(Instances, BackOffBeginsAnewAlsoWhenTheyHangBeforeTheyDie) {
  app.serve("a");
  for (int i = 0; i < 4; ++i) {
    crash(only());
    app.wait(std::chrono::seconds(60));
    app.warm_up();
  }
  app.wait(std::chrono::hours(10));
  app.fail(only());
  ASSERT_EQ(app.phase(only()), InstancePhase::unhealthy);
  crash(only());
  EXPECT_EQ(app.state.instances.front().deadline - app.now, milliseconds(1000));
}

TEST_F(Instances, ThatDoNotRecoverAreStoppedOnceNoWorkerRoutesToThemAndStartedAnew) {
  app.config.health.unhealthy_restart = std::chrono::minutes(2);
  app.serve("a");
  const auto former = only();
  app.fail(former);
  app.wait(std::chrono::seconds(119));
  EXPECT_EQ(app.phase(former), InstancePhase::unhealthy);
  app.wait(std::chrono::seconds(1));
  EXPECT_EQ(app.phase(former), InstancePhase::evicting);
  EXPECT_FALSE(app.did("stop " + former));
  app.feed(Acked{app.generation});
  EXPECT_EQ(app.phase(former), InstancePhase::stopping);
  app.feed(Ended{former, "was killed by SIGKILL", 137, 9});
  EXPECT_EQ(app.phase(former), InstancePhase::backoff);
  app.wait(std::chrono::seconds(1));
  EXPECT_NE(only(), former);
  app.warm_up();
  EXPECT_EQ(app.phase(only()), InstancePhase::ready);
}

TEST_F(Instances, ThatRecoverInTimeAreLeftAlone) {
  app.config.health.unhealthy_restart = std::chrono::minutes(2);
  app.serve("a");
  const auto id = only();
  app.fail(id);
  app.wait(std::chrono::seconds(60));
  for (int i = 0; i < 3; ++i) app.feed(Probed{id, ProbeOutcome::passed, ""});
  EXPECT_EQ(app.phase(id), InstancePhase::ready);
  app.wait(std::chrono::hours(1));
  EXPECT_EQ(only(), id);
}

TEST_F(Instances, NeverUseAnIdTwice) {
  app.serve("a");
  crash(only());
  EXPECT_EQ(only(), "shop-v1-1");
  app.wait(std::chrono::seconds(1));
  EXPECT_EQ(only(), "shop-v1-2");
}

TEST_F(Instances, ThatCannotBeStartedAreTriedAgainWithBackOff) {
  app.serve("a");
  crash(only());
  app.wait(std::chrono::seconds(1));
  app.feed(Ended{only(), "could not be started: no such file", {}, {}});
  EXPECT_EQ(app.phase(only()), InstancePhase::backoff);
  EXPECT_EQ(app.state.instances.front().deadline - app.now, milliseconds(2000));
}

TEST_F(Instances, ThatNeverBecomeHealthyAreStoppedAndTriedAgain) {
  app.serve("a");
  crash(only());
  app.wait(std::chrono::seconds(1));
  app.start_all();
  app.wait(app.config.health.start_timeout);
  EXPECT_TRUE(app.did("stop shop-v1-2"));
  app.feed(Ended{"shop-v1-2", "exited with code 0", 0, {}});
  EXPECT_EQ(app.phase("shop-v1-2"), InstancePhase::backoff);
}

TEST_F(Instances, ThatFailTheirProbesLeaveRotationAndRejoinWhenTheyPass) {
  app.serve("a");
  app.feed(Probed{"shop-v1-1", ProbeOutcome::failed, "answered 503"});
  app.feed(Probed{"shop-v1-1", ProbeOutcome::failed, "answered 503"});
  EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1"));
  app.feed(Probed{"shop-v1-1", ProbeOutcome::failed, "answered 503"});
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  EXPECT_THAT(app.routed(TargetState::ready), IsEmpty());
  EXPECT_THAT(app.routed(TargetState::resting), ElementsAre("shop-v1-1"));  // it may finish what it has
  EXPECT_EQ(app.find("shop-v1-1")->trouble, "answered 503");

  app.feed(Probed{"shop-v1-1", ProbeOutcome::passed, ""});
  EXPECT_THAT(app.routed(TargetState::ready), IsEmpty());
  app.feed(Probed{"shop-v1-1", ProbeOutcome::passed, ""});
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  EXPECT_THAT(app.routed(TargetState::ready), ElementsAre("shop-v1-1"));
}

TEST_F(Instances, AreProbedOnceUntilTheAnswerAndThenAfterTheInterval) {
  app.serve("a");
  app.wait(app.config.health.interval - milliseconds(1));
  EXPECT_FALSE(app.probed("shop-v1-1"));
  app.wait(milliseconds(1));
  EXPECT_TRUE(app.probed("shop-v1-1"));
  app.wait(std::chrono::hours(1));
  EXPECT_FALSE(app.probed("shop-v1-1"));
  app.feed(Probed{"shop-v1-1", ProbeOutcome::passed, ""});
  app.wait(app.config.health.interval);
  EXPECT_TRUE(app.probed("shop-v1-1"));
}

TEST_F(Instances, ThatBecomeReadyWhileTheyAreProbedAreNotProbedASecondTimeMeanwhile) {
  AppUnderTest two{2};
  two.deploy("a");
  two.start_all();
  two.pass("shop-v1-1");
  ASSERT_EQ(two.phase("shop-v1-1"), InstancePhase::warm);
  two.wait(std::chrono::seconds(5));
  ASSERT_TRUE(two.probed("shop-v1-1"));
  two.pass("shop-v1-2");
  ASSERT_EQ(two.phase("shop-v1-1"), InstancePhase::ready);
  two.wait(std::chrono::hours(1));
  EXPECT_FALSE(two.probed("shop-v1-1"));
  two.feed(Probed{"shop-v1-1", ProbeOutcome::passed, ""});
  two.wait(two.config.health.interval);
  EXPECT_TRUE(two.probed("shop-v1-1"));
}

TEST_F(Instances, AreProbedWithinTenMillisecondsOfTheirStart) {
  app.deploy("a");
  app.start_all();
  app.wait(milliseconds(10));
  EXPECT_TRUE(app.probed("shop-v1-1"));
}

TEST_F(Instances, AreNotProbedWhileTheyDrain) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.wait(milliseconds(20'000));
  EXPECT_FALSE(app.probed("shop-v1-1"));
}

TEST_F(Instances, ThatTellTheirReadinessThemselvesAreNotProbed) {
  app.config.health.kind = HealthKind::notify;
  app.deploy("a");
  app.start_all();
  app.wait(milliseconds(10'000));
  EXPECT_FALSE(app.probed("shop-v1-1"));
  app.feed(NotifiedReady{"shop-v1-1"});
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::ready);
}

TEST_F(Instances, AreNotBelievedReadyWhenTheyAreToBeProbed) {
  app.deploy("a");
  app.start_all();
  app.feed(NotifiedReady{"shop-v1-1"});
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::warming);
}

TEST_F(Instances, ThatNeverNotifyFailTheDeploy) {
  app.config.health.kind = HealthKind::notify;
  app.deploy("a");
  app.start_all();
  app.wait(app.config.health.start_timeout);
  EXPECT_TRUE(app.did("stop shop-v1-1"));
}

// ---- configuration ----

struct Configuring : Instances {
  Configuring() {
    app.config.instances = 2;
    app.serve("a");
  }
  void scale_to(std::uint32_t n) {
    app.config.instances = n;
    app.feed(Configured{});
  }
};

TEST_F(Configuring, MoreInstancesAreStartedAndJoinWhenHealthy) {
  scale_to(4);
  EXPECT_THAT(app.did(), testing::IsSupersetOf({"start shop-v1-3", "start shop-v1-4"}));
  app.warm_up();
  EXPECT_EQ(app.ready().size(), 4u);
}

TEST_F(Configuring, FewerInstancesDrainBeforeTheyAreStopped) {
  scale_to(1);
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  EXPECT_THAT(app.routed(TargetState::ready), ElementsAre("shop-v1-1"));
  app.feed(Drained{"shop-v1-2"});
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  app.feed(Acked{app.generation});
  EXPECT_THAT(app.did(), ElementsAre("stop shop-v1-2"));
  app.feed(Ended{"shop-v1-2", "exited with code 0", 0, {}});
  EXPECT_THAT(app.did(), ElementsAre("forget shop-v1-2"));
  EXPECT_EQ(app.state.instances.size(), 1u);
}

TEST_F(Configuring, AnInstanceThatLeavesUnhealthyDrainsUnderATableOfItsOwn) {
  app.fail("shop-v1-2");
  scale_to(1);
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  EXPECT_EQ(app.find("shop-v1-2")->generation, app.generation);
}

TEST_F(Configuring, IsAppliedAfterTheRolloutThatIsUnderWay) {
  app.deploy("b");
  scale_to(3);
  EXPECT_THAT(app.in(InstancePhase::starting).size(), 2u);
  app.warm_up();
  app.finish_rollout();
  EXPECT_TRUE(app.did("finish changed"));
  EXPECT_TRUE(app.did("start shop-v2-5"));
}

TEST_F(Configuring, APublishedTableFollowsEveryChangeOfTheRoute) {
  app.config.hosts = {"shop.example.com"};
  app.feed(Configured{});
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
}

TEST_F(Configuring, ARemovedAppDrainsStopsAndIsForgotten) {
  app.feed(Removed{});
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  EXPECT_THAT(app.routed(TargetState::ready), IsEmpty());
  app.finish_rollout();
  EXPECT_TRUE(app.state.removed);
  EXPECT_THAT(app.state.instances, IsEmpty());
}

TEST_F(Configuring, ARemovedAppThatNeverRanIsTakenFromTheTable) {
  AppUnderTest idle;
  idle.feed(Removed{});
  EXPECT_THAT(idle.did(), ElementsAre("publish 1"));
}

TEST_F(Configuring, RemovalUndoesADeployBeforeItsCommit) {
  app.deploy("b");
  app.start_all();
  app.feed(Removed{});
  app.finish_rollout();
  EXPECT_TRUE(app.did("finish kept_old"));
  EXPECT_THAT(app.state.instances, IsEmpty());
}

TEST_F(Configuring, RemovalCancelsAFetch) {
  app.feed(Request{9, RolloutKind::deploy, "u", "", 0, "ann"});
  app.feed(Removed{});
  EXPECT_THAT(app.did(), ElementsAre("cancel fetch", "finish kept_old", publishes()));
}

TEST_F(Configuring, RemovalAfterACommitTakesBothReleasesAway) {
  app.deploy("b");
  app.warm_up();
  app.feed(Removed{});
  EXPECT_THAT(app.routed(TargetState::ready), IsEmpty());
  app.finish_rollout();
  EXPECT_THAT(app.state.instances, IsEmpty());
  EXPECT_FALSE(app.state.rollout);
}

TEST_F(Configuring, RemovalForgetsACrashedInstanceOnce) {
  crash("shop-v1-1");
  ASSERT_TRUE(app.did("forget shop-v1-1"));
  app.feed(Removed{});
  EXPECT_FALSE(app.did("forget shop-v1-1"));
  EXPECT_EQ(app.find("shop-v1-1"), nullptr);
}

TEST_F(Configuring, AnAppThatIsConfiguredAgainComesBackWithItsRelease) {
  app.feed(Removed{});
  app.finish_rollout();
  app.feed(Configured{});
  EXPECT_FALSE(app.state.removed);
  app.warm_up();
  EXPECT_EQ(app.ready().size(), 2u);
  EXPECT_EQ(app.find(app.ready()[0])->release, 1u);
}

TEST_F(Configuring, AnAppWithNothingDeployedStartsNothing) {
  AppUnderTest idle;
  idle.feed(Configured{});
  EXPECT_THAT(idle.in(InstancePhase::starting), IsEmpty());
}

// ---- strangers ----

TEST_F(Instances, EventsAboutUnknownInstancesChangeNothing) {
  app.serve("a");
  app.deploy("b");
  const auto before = app.state;
  const std::string id = "shop-v9-99";
  for (const Event& event : std::initializer_list<Event>{
           Started{id, 1, 2}, Probed{id, ProbeOutcome::passed, ""}, NotifiedReady{id}, Ended{id, "?", {}, {}},
           Drained{id}, Acked{0}, Fetched{"b"}, FetchFailed{}, Tick{}}) {
    app.feed(event);
    EXPECT_EQ(app.state, before) << event.index();
  }
}

// ---- how it looks from outside ----

TEST_F(Instances, HealthFollowsWhatServes) {
  app.config.instances = 2;
  EXPECT_EQ(health_of(app.state), "idle");
  app.serve("a");
  EXPECT_EQ(health_of(app.state), "serving");
  crash("shop-v1-1");
  EXPECT_EQ(health_of(app.state), "degraded");
  app.fail("shop-v1-2");
  EXPECT_EQ(health_of(app.state), "down");
}

TEST_F(Instances, AStartingFleetdWaitsForWhatIsOnItsWayAndNotForWhatCrashed) {
  app.config.instances = 2;
  app.serve("a");
  EXPECT_TRUE(is_settled(app.state));
  app.come_back({}, true);
  EXPECT_FALSE(is_settled(app.state));
  EXPECT_EQ(health_of(app.state), "starting");
  app.start_all();
  EXPECT_FALSE(is_settled(app.state));
  app.pass(app.in(InstancePhase::warming)[0]);
  EXPECT_FALSE(is_settled(app.state));
  crash(app.in(InstancePhase::warming)[0]);
  EXPECT_TRUE(is_settled(app.state));
}

TEST_F(Instances, ACandidateIsNotWaitedForNorCounted) {
  app.serve("a");
  app.deploy("b");
  EXPECT_TRUE(is_settled(app.state));
  EXPECT_EQ(health_of(app.state), "serving");
}

TEST_F(Instances, TheRouteCarriesTheConfigurationAndTheEndpoints) {
  app.config.hosts = {"shop.example.com"};
  app.config.path = "/x";
  app.config.https_redirect = HttpsRedirect::home;
  app.config.rewrite_redirects = false;
  app.serve("a");
  app.state.instances[0].port = 20001;
  const auto route = route_of(app.state, app.config);
  EXPECT_EQ(route.app, "shop");
  EXPECT_THAT(route.hosts, ElementsAre("shop.example.com"));
  EXPECT_EQ(route.path, "/x");
  EXPECT_EQ(route.https_redirect, HttpsRedirect::home);
  EXPECT_FALSE(route.rewrite_redirects);
  ASSERT_EQ(route.releases.size(), 1u);
  EXPECT_EQ(route.releases[0].accepts, Accepts::everyone);
  EXPECT_EQ(route.releases[0].targets[0].endpoint, (Endpoint{"127.0.0.1", 20001}));
}

TEST_F(Instances, TheReleaseThatWasLeftAcceptsNobody) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  for (const auto& release : route_of(app.state, app.config).releases) {
    EXPECT_EQ(release.accepts, release.release == 2 ? Accepts::everyone : Accepts::nobody);
  }
}

}  // namespace
}  // namespace fleet::plan
