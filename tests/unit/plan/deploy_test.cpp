#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using enum RolloutPhase;

struct Deploy : testing::Test {
  AppUnderTest app{1};
  RolloutPhase phase() const { return app.state.rollout ? app.state.rollout->phase : done; }
};

// PROXY-RULES D11, arrow by arrow.
TEST_F(Deploy, StopsTheOldInstanceOnlyAfterReadyPublishedAckedDrainedEvictedAcked) {
  app.serve("a");
  ASSERT_THAT(app.ready(), ElementsAre("shop-v1-1"));

  app.feed(Request{7, RolloutKind::deploy, "https://builds/b", "", 0, "ann"});
  EXPECT_EQ(phase(), prepare);
  EXPECT_THAT(app.did(), ElementsAre("fetch https://builds/b"));

  app.feed(Fetched{"b"});
  EXPECT_EQ(phase(), warm);
  EXPECT_THAT(app.did(), ElementsAre("keep v2", "start shop-v2-2"));

  app.feed(Started{"shop-v2-2", 4000, 77});
  EXPECT_THAT(app.did(), IsEmpty());
  app.feed(Probed{"shop-v2-2", ProbeOutcome::passed, ""});
  EXPECT_THAT(app.did(), IsEmpty());
  EXPECT_THAT(app.routed(TargetState::ready), ElementsAre("shop-v1-1"));

  app.feed(Probed{"shop-v2-2", ProbeOutcome::passed, ""});
  EXPECT_EQ(phase(), commit);
  EXPECT_THAT(app.did(), ElementsAre("publish 2"));
  EXPECT_THAT(app.routed(TargetState::ready), ElementsAre("shop-v2-2"));
  EXPECT_THAT(app.routed(TargetState::draining), ElementsAre("shop-v1-1"));
  EXPECT_EQ(app.state.current, 2u);
  EXPECT_EQ(app.state.previous, 1u);

  app.feed(Acked{2});
  EXPECT_EQ(phase(), drain);
  EXPECT_THAT(app.did(), IsEmpty());

  app.feed(Drained{"shop-v1-1"});
  EXPECT_EQ(phase(), drain);
  EXPECT_THAT(app.did(), ElementsAre("publish 3"));
  EXPECT_THAT(app.routed(TargetState::draining), IsEmpty());

  app.feed(Acked{3});
  EXPECT_EQ(phase(), retire);
  EXPECT_THAT(app.did(), ElementsAre("stop shop-v1-1"));

  app.feed(Ended{"shop-v1-1", "exited with code 0", 0, {}});
  EXPECT_THAT(app.did(), ElementsAre("forget shop-v1-1", "finish changed"));
  EXPECT_THAT(app.ready(), ElementsAre("shop-v2-2"));
  EXPECT_EQ(app.state.instances.size(), 1u);
}

TEST_F(Deploy, OfAFirstReleaseNeedsNothingToDrain) {
  app.deploy("a");
  app.warm_up();
  EXPECT_EQ(phase(), commit);
  app.feed(Acked{app.generation});
  EXPECT_THAT(app.did(), ElementsAre("finish changed"));
  EXPECT_EQ(app.finished()->previous, 0u);
  EXPECT_EQ(health_of(app.state), "serving");
}

TEST_F(Deploy, TimesEachPhase) {
  app.serve("a");
  app.feed(Request{2, RolloutKind::deploy, "u", "", 0, "ann"});
  app.now += milliseconds(100);
  app.feed(Fetched{"b"});
  app.now += milliseconds(20);
  app.warm_up();
  app.now += milliseconds(3);
  app.feed(Acked{app.generation});
  app.now += milliseconds(40);
  app.feed(Drained{"shop-v1-1"});
  app.feed(Acked{app.generation});
  app.now += milliseconds(5);
  app.feed(Ended{"shop-v1-1", "exited with code 0", 0, {}});
  ASSERT_NE(app.finished(), nullptr);
  EXPECT_EQ(app.finished()->deployment, 2u);
  EXPECT_THAT(app.finished()->phases,
              ElementsAre(PhaseTime{prepare, milliseconds(100)}, PhaseTime{warm, milliseconds(20)},
                          PhaseTime{commit, milliseconds(3)}, PhaseTime{drain, milliseconds(40)},
                          PhaseTime{retire, milliseconds(5)}));
}

TEST_F(Deploy, CommitsOnlyWhenTheLastOfItsInstancesIsHealthy) {
  app.config.instances = 3;
  app.deploy("a");
  app.start_all();
  const auto ids = app.in(InstancePhase::warming);
  app.pass(ids[0]);
  app.pass(ids[1]);
  EXPECT_EQ(phase(), warm);
  EXPECT_THAT(app.routed(TargetState::ready), IsEmpty());
  app.pass(ids[2]);
  EXPECT_EQ(phase(), commit);
  EXPECT_THAT(app.routed(TargetState::ready), ElementsAre(ids[0], ids[1], ids[2]));
}

TEST_F(Deploy, WaitsForAnAckOfItsOwnTableOrALaterOne) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.feed(Acked{app.generation - 1});
  EXPECT_EQ(phase(), commit);
  app.feed(Acked{app.generation + 5});
  EXPECT_EQ(phase(), drain);
}

TEST_F(Deploy, WaitsForEveryOldInstanceToDrainAndThenForEachToEnd) {
  app.config.instances = 2;
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.feed(Acked{app.generation});
  app.feed(Drained{"shop-v1-1"});
  const auto without_the_first = app.generation;
  app.feed(Drained{"shop-v1-2"});
  const auto without_both = app.generation;
  ASSERT_GT(without_both, without_the_first);

  app.feed(Acked{without_the_first});
  EXPECT_THAT(app.did(), ElementsAre("stop shop-v1-1"));
  EXPECT_EQ(phase(), drain);
  app.feed(Ended{"shop-v1-1", "exited with code 0", 0, {}});
  EXPECT_EQ(phase(), drain);
  app.feed(Acked{without_both});
  EXPECT_THAT(app.did(), ElementsAre("stop shop-v1-2"));
  EXPECT_EQ(phase(), retire);
  app.feed(Ended{"shop-v1-2", "exited with code 0", 0, {}});
  EXPECT_NE(app.finished(), nullptr);
}

TEST_F(Deploy, EvictsAnOldInstanceThatIsStillBusyAtTheDrainDeadline) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.feed(Acked{app.generation});
  app.wait(app.config.drain.timeout - milliseconds(1));
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::draining);
  app.wait(milliseconds(1));
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::evicting);
  EXPECT_TRUE(app.did("publish " + std::to_string(app.generation)));
  EXPECT_FALSE(app.did("stop shop-v1-1"));
}

TEST_F(Deploy, NeverStopsTheOldInstanceWhileNoWorkerAcknowledges) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.wait(std::chrono::hours(1));
  EXPECT_EQ(phase(), commit);
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::evicting);
  EXPECT_FALSE(app.did("stop shop-v1-1"));
  app.feed(Acked{app.generation});
  EXPECT_THAT(app.did(), ElementsAre("stop shop-v1-1"));
  EXPECT_EQ(phase(), retire);
}

TEST_F(Deploy, TellsAnInstanceToStopAgainWhenNothingIsHeardOfIt) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.feed(Acked{app.generation});
  app.feed(Drained{"shop-v1-1"});
  app.feed(Acked{app.generation});
  ASSERT_TRUE(app.did("stop shop-v1-1"));
  app.wait(app.config.drain.stop_timeout);
  EXPECT_FALSE(app.did("stop shop-v1-1"));
  app.wait(milliseconds(5000));
  EXPECT_TRUE(app.did("stop shop-v1-1"));
  EXPECT_EQ(phase(), retire);
}

TEST_F(Deploy, IsOverWhenTheOldInstanceDiesWhileItDrains) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.feed(Acked{app.generation});
  app.feed(Ended{"shop-v1-1", "was killed by SIGSEGV", {}, 11});
  EXPECT_TRUE(app.did("finish changed"));
  EXPECT_TRUE(app.did("publish " + std::to_string(app.generation)));
  EXPECT_FALSE(app.did("stop shop-v1-1"));
}

TEST_F(Deploy, IsOverWhenTheOldInstanceDiesWhileItIsEvicted) {
  app.serve("a");
  app.deploy("b");
  app.warm_up();
  app.feed(Acked{app.generation});
  app.feed(Drained{"shop-v1-1"});
  app.feed(Ended{"shop-v1-1", "was killed by SIGSEGV", {}, 11});
  EXPECT_TRUE(app.did("finish changed"));
}

TEST_F(Deploy, OfWhatRunsAlreadyIsDoneWithoutAFetchWhenTheDigestIsGiven) {
  app.serve("a");
  app.feed(Request{2, RolloutKind::deploy, "https://builds/a", "a", 0, "ann"});
  EXPECT_THAT(app.did(), ElementsAre("finish already_current"));
  EXPECT_EQ(app.finished()->release, 1u);
  EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1"));
}

TEST_F(Deploy, OfWhatRunsAlreadyIsDiscardedOnceItIsFetched) {
  app.serve("a");
  app.deploy("a");
  EXPECT_THAT(app.did(), ElementsAre("discard v2", "finish already_current"));
  EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1"));
  app.deploy("b");
  EXPECT_TRUE(app.did("keep v2"));  // the number was not spent
}

TEST_F(Deploy, OfWhatRunsAlreadyIsMadeAllTheSameWhereItsFilesAreGone) {
  app.serve("a");
  for (const auto* digest : {"a", ""}) {
    Request request{2, RolloutKind::deploy, "https://builds/a", digest, 0, "ann"};
    request.anew = true;
    AppUnderTest again = app;
    again.feed(request);
    again.feed(Fetched{"a"});
    EXPECT_TRUE(again.did("keep v2"));
    EXPECT_EQ(again.finished(), nullptr);
  }
}

TEST_F(Deploy, ThatCannotBeFetchedChangesNothing) {
  app.serve("a");
  app.feed(Request{2, RolloutKind::deploy, "https://builds/b", "", 0, "ann"});
  app.feed(FetchFailed{ErrorKind::verify, "wrong digest"});
  ASSERT_NE(app.finished(), nullptr);
  EXPECT_EQ(app.finished()->outcome, Outcome::kept_old);
  EXPECT_EQ(app.finished()->error_kind, ErrorKind::verify);
  EXPECT_EQ(app.finished()->error, "wrong digest");
  EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1"));
  EXPECT_EQ(app.state.current, 1u);
}

TEST_F(Deploy, DiscardsAReleaseThatArrivesAfterTheDeployWasAborted) {
  app.serve("a");
  app.feed(Request{2, RolloutKind::deploy, "https://builds/b", "", 0, "ann"});
  app.feed(Abort{"bob"});
  EXPECT_THAT(app.did(), ElementsAre("cancel fetch", "finish kept_old"));
  app.feed(Fetched{"b"});
  EXPECT_THAT(app.did(), ElementsAre("discard v2"));
  EXPECT_FALSE(app.state.rollout);
}

struct FailedDeploy : Deploy {
  FailedDeploy() {
    app.config.instances = 2;
    app.serve("a");
    app.deploy("b");
    app.start_all();
    before = route_of(app.state, app.config);
  }
  Route before;
  const std::string first = "shop-v2-3", second = "shop-v2-4";

  void expect_old_untouched() {
    EXPECT_EQ(route_of(app.state, app.config), before);
    EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1", "shop-v1-2"));
    EXPECT_EQ(app.state.current, 1u);
    EXPECT_EQ(app.state.current_sha256, "a");
  }
};

TEST_F(FailedDeploy, StopsTheOtherCandidatesWhenOneExits) {
  app.feed(Ended{first, "exited with code 3", 3, {}});
  EXPECT_EQ(phase(), abort);
  EXPECT_THAT(app.did(), ElementsAre("forget " + first, "stop " + second));
  expect_old_untouched();

  app.feed(Ended{second, "exited with code 0", 0, {}});
  EXPECT_THAT(app.did(), ElementsAre("forget " + second, "discard v2", "finish kept_old"));
  EXPECT_EQ(app.finished()->error_kind, ErrorKind::unhealthy);
  EXPECT_EQ(app.finished()->failed_instance, first);
  EXPECT_THAT(app.finished()->error, HasSubstr("shop-v2-3 exited with code 3"));
  EXPECT_EQ(app.finished()->exit_code, 3);
  expect_old_untouched();
}

TEST_F(FailedDeploy, StopsAWarmCandidateToo) {
  app.pass(second);
  ASSERT_EQ(app.phase(second), InstancePhase::warm);
  app.feed(Ended{first, "exited with code 3", 3, {}});
  EXPECT_TRUE(app.did("stop " + second));
  expect_old_untouched();
}

TEST_F(FailedDeploy, FailsWhenAWarmCandidateExitsBeforeTheOthersAreWarm) {
  app.pass(second);
  app.feed(Ended{second, "exited with code 3", 3, {}});
  EXPECT_EQ(phase(), abort);
  EXPECT_TRUE(app.did("stop " + first));
  expect_old_untouched();
}

TEST_F(FailedDeploy, SaysWhyTheCandidateCouldNotBeStarted) {
  app.feed(Ended{first, "could not be started: no such file", {}, {}});
  app.feed(Ended{second, "exited with code 0", 0, {}});
  EXPECT_THAT(app.finished()->error, HasSubstr("could not be started: no such file"));
  expect_old_untouched();
}

TEST_F(FailedDeploy, GivesUpAtTheStartTimeoutAndQuotesTheLastProbe) {
  app.feed(Probed{first, ProbeOutcome::failed, "answered 503"});
  app.feed(Probed{second, ProbeOutcome::refused, "refused"});
  app.wait(app.config.health.start_timeout - milliseconds(1));
  EXPECT_EQ(phase(), warm);
  app.wait(milliseconds(1));
  EXPECT_EQ(phase(), abort);
  EXPECT_TRUE(app.did("stop " + first));
  EXPECT_TRUE(app.did("stop " + second));
  app.feed(Ended{second, "exited with code 0", 0, {}});
  EXPECT_EQ(phase(), abort);
  app.feed(Ended{first, "exited with code 0", 0, {}});
  EXPECT_EQ(app.finished()->error, "shop-v2-3 was not healthy within 60s (last probe: answered 503)");
  expect_old_untouched();
}

TEST_F(FailedDeploy, ACandidateThatNeverEvenStartsHasTheSameDeadline) {
  AppUnderTest fresh;
  fresh.deploy("a");
  fresh.wait(fresh.config.health.start_timeout);
  EXPECT_TRUE(fresh.did("stop shop-v1-1"));
  EXPECT_EQ(fresh.state.rollout->phase, abort);
}

TEST_F(FailedDeploy, AFlappingCandidateGetsNoMoreTimeByFlapping) {
  const auto began = app.now;
  for (int i = 0; i < 100 && phase() == warm; ++i) {
    for (const auto& id : {first, second}) {  // never both warm at once
      app.pass(id);
      EXPECT_EQ(app.phase(id), InstancePhase::warm);
      app.fail(id);
      EXPECT_EQ(app.phase(id), InstancePhase::warming);
    }
    app.wait(milliseconds(7000));
  }
  EXPECT_EQ(phase(), abort);
  EXPECT_LE(app.now - began, app.config.health.start_timeout + milliseconds(7000));
  expect_old_untouched();
}

TEST_F(FailedDeploy, ACandidateThatTurnsUnhealthyAfterTheDeadlineHasNoTimeLeft) {
  app.pass(first);
  app.now += app.config.health.start_timeout;  // nobody told the machine the time meanwhile
  app.fail(first);
  EXPECT_EQ(phase(), abort);
  EXPECT_EQ(app.phase(first), InstancePhase::stopping);
  expect_old_untouched();
}

TEST_F(FailedDeploy, ACandidateThatTurnsUnhealthyNeedsTheFullRunOfSuccessesAgain) {
  app.pass(first);
  app.fail(first);
  EXPECT_EQ(app.phase(first), InstancePhase::warming);
  app.pass(second);
  EXPECT_EQ(phase(), warm);
  app.feed(Probed{first, ProbeOutcome::passed, ""});
  EXPECT_EQ(phase(), warm);
  app.feed(Probed{first, ProbeOutcome::passed, ""});
  EXPECT_EQ(phase(), commit);
}

TEST_F(FailedDeploy, AnAbortIsAsIfItHadNeverBeenAsked) {
  EXPECT_TRUE(admit_abort(app.state));
  app.feed(Abort{"bob"});
  EXPECT_EQ(phase(), abort);
  EXPECT_TRUE(admit_abort(app.state));  // again: nothing more happens
  app.feed(Abort{"bob"});
  EXPECT_THAT(app.did(), IsEmpty());
  app.feed(Ended{first, "exited with code 0", 0, {}});
  app.feed(Ended{second, "exited with code 0", 0, {}});
  EXPECT_EQ(app.finished()->outcome, Outcome::kept_old);
  EXPECT_EQ(app.finished()->error_kind, ErrorKind::aborted);
  EXPECT_THAT(app.finished()->error, HasSubstr("bob"));
  expect_old_untouched();
}

TEST_F(FailedDeploy, AnAbortAfterCommitIsRefusedAndChangesNothing) {
  for (const auto& id : {first, second}) app.pass(id);
  for (const auto expected : {commit, drain, retire}) {
    ASSERT_EQ(phase(), expected);
    const auto refused = admit_abort(app.state);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    EXPECT_THAT(refused.error().text, HasSubstr("fleetctl rollback --app shop"));
    app.feed(Abort{"bob"});
    EXPECT_THAT(app.did(), IsEmpty());
    EXPECT_EQ(phase(), expected);
    app.feed(Acked{app.generation});
    for (const auto& id : app.in(InstancePhase::draining)) app.feed(Drained{id});
    if (expected == drain) app.feed(Acked{app.generation});
  }
}

TEST_F(FailedDeploy, AnAbortOfNothingIsNotFound) {
  AppUnderTest idle;
  EXPECT_EQ(admit_abort(idle.state).error().kind, ErrorKind::not_found);
}

TEST_F(FailedDeploy, ASecondDeployMeanwhileIsRefusedAsBusyAndIgnored) {
  const Request second_deploy{99, RolloutKind::deploy, "u", "", 0, "bob"};
  const auto everything = [](std::uint64_t) { return true; };
  for (auto kind : {RolloutKind::deploy, RolloutKind::rollback, RolloutKind::restart}) {
    Request request = second_deploy;
    request.kind = kind;
    const auto refused = admit(app.state, request, everything);
    ASSERT_FALSE(refused) << name(kind);
    EXPECT_EQ(refused.error().kind, ErrorKind::busy);
    EXPECT_THAT(refused.error().text, HasSubstr("deploy 2 of \"shop\" is under way (warm, by ann)"));
    const auto before_it = app.state;
    app.feed(request);
    EXPECT_THAT(app.did(), IsEmpty());
    EXPECT_EQ(app.state, before_it);
  }
}

TEST_F(FailedDeploy, TheNextDeployGetsANewNumber) {
  app.feed(Abort{"bob"});
  app.feed(Ended{first, "exited with code 0", 0, {}});
  app.feed(Ended{second, "exited with code 0", 0, {}});
  app.deploy("b");
  EXPECT_TRUE(app.did("keep v3"));
  EXPECT_TRUE(app.did("start shop-v3-5"));
}

TEST_F(FailedDeploy, AnOldInstanceThatCrashesMeanwhileIsReplacedByOneOfTheOldRelease) {
  app.feed(Ended{"shop-v1-1", "was killed by SIGSEGV", {}, 11});
  EXPECT_EQ(phase(), warm);
  app.wait(milliseconds(1000));
  EXPECT_TRUE(app.did("start shop-v1-5"));
  app.feed(Started{"shop-v1-5", 4000, 77});
  app.pass("shop-v1-5");
  EXPECT_EQ(app.phase("shop-v1-5"), InstancePhase::ready);
  EXPECT_EQ(phase(), warm);
}

TEST_F(FailedDeploy, TheSwitchTakesOldInstancesThatAreNotInRotationAlong) {
  app.feed(Ended{"shop-v1-1", "was killed by SIGSEGV", {}, 11});  // backs off
  app.fail("shop-v1-2");                                            // out of rotation
  app.pass(first);
  app.pass(second);
  EXPECT_EQ(phase(), commit);
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::gone);
  EXPECT_EQ(app.phase("shop-v1-2"), InstancePhase::draining);
  app.finish_rollout();
  EXPECT_THAT(app.ready(), ElementsAre(first, second));
  EXPECT_EQ(app.state.instances.size(), 2u);
  EXPECT_FALSE(app.state.rollout);
}

TEST_F(FailedDeploy, TheSwitchStopsAnOldInstanceThatIsJustBeingStarted) {
  app.feed(Ended{"shop-v1-1", "was killed by SIGSEGV", {}, 11});
  app.wait(milliseconds(1000));
  ASSERT_EQ(app.phase("shop-v1-5"), InstancePhase::starting);
  app.pass(first);
  app.pass(second);
  EXPECT_TRUE(app.did("stop shop-v1-5"));
  app.finish_rollout();
  EXPECT_FALSE(app.state.rollout);
}

TEST_F(FailedDeploy, ANewInstanceThatCrashesAfterTheSwitchIsRestartedNotRolledBack) {
  app.pass(first);
  app.pass(second);
  app.feed(Ended{first, "was killed by SIGSEGV", {}, 11});
  EXPECT_EQ(phase(), commit);
  EXPECT_EQ(app.phase(first), InstancePhase::backoff);
  app.finish_rollout();
  EXPECT_FALSE(app.state.rollout);
  EXPECT_EQ(app.state.current, 2u);
}

}  // namespace
}  // namespace fleet::plan
