// A fleetd that comes back, at every phase of a rollout: FAULTS A1, C4.
#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using enum RolloutPhase;

struct Recovery : testing::Test {
  AppUnderTest app{1};
  const std::string old = "shop-v1-1", candidate = "shop-v2-2";
  RolloutPhase phase() const { return app.state.rollout ? app.state.rollout->phase : done; }
  std::string publishes() const { return "publish " + std::to_string(app.generation); }

  // A deploy of v2 over v1 that has come as far as this.
  void reach(RolloutPhase wanted) {
    app.serve("a");
    app.feed(Request{2, RolloutKind::deploy, "https://builds/b", "", 0, "ann"});
    if (wanted == prepare) return;
    app.feed(Fetched{"b"});
    app.start_all();
    if (wanted == abort) app.feed(Abort{"bob"});
    if (wanted == warm || wanted == abort) return;
    app.pass(candidate);
    if (wanted == commit) return;
    app.feed(Acked{app.generation});
    if (wanted == drain) return;
    app.feed(Drained{old});
    app.feed(Acked{app.generation});
  }
  void go_on() {
    if (phase() == prepare) app.feed(Fetched{"b"});
    app.warm_up();
    app.finish_rollout();
    app.finish_rollout();
  }
};

TEST_F(Recovery, OfAnIdleAppAdoptsWhatRunsWithoutTouchingIt) {
  app.serve("a");
  app.come_back({old});
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  EXPECT_THAT(app.ready(), ElementsAre(old));
  EXPECT_EQ(app.find(old)->restarts, 0u);
}

TEST_F(Recovery, ProbesWhatItAdopts) {
  app.serve("a");
  app.come_back({old});
  app.wait(app.config.health.interval);
  EXPECT_TRUE(app.probed(old));
}

TEST_F(Recovery, TakesOnTheIdentityItIsTold) {
  app.serve("a");
  Recovered recovered;
  recovered.running[old] = Started{old, 5555, 99};
  app.feed(recovered);
  EXPECT_EQ(app.find(old)->pid, 5555u);
  EXPECT_EQ(app.find(old)->start_time, 99u);
}

TEST_F(Recovery, OfAnInstanceThatDiedMeanwhileRestartsItWithBackOff) {
  app.serve("a");
  app.come_back({});
  EXPECT_THAT(app.did(), ElementsAre("forget " + old, "blame 1", publishes()));
  EXPECT_EQ(app.phase(old), InstancePhase::backoff);
  app.wait(milliseconds(1000));
  EXPECT_TRUE(app.did("start shop-v1-2"));
}

TEST_F(Recovery, AfterARebootStartsTheCurrentReleaseAtOnce) {
  app.config.instances = 2;
  app.serve("a");
  app.come_back({}, true);
  EXPECT_THAT(app.in(InstancePhase::starting), ElementsAre("shop-v1-3", "shop-v1-4"));
  EXPECT_THAT(app.did(), testing::IsSupersetOf({"start shop-v1-3", "start shop-v1-4"}));
  for (const auto& instance : app.state.instances) EXPECT_EQ(instance.crashes, 0u);
}

TEST_F(Recovery, AfterARebootDoesNotWaitForAnOldBackOff) {
  app.serve("a");
  app.feed(Ended{old, "was killed by SIGSEGV", {}, 11});
  app.come_back({}, true);
  EXPECT_TRUE(app.did("start shop-v1-2"));
}

TEST_F(Recovery, AfterARebootWorksWhenTheClockBeginsAtNought) {
  app.serve("a");
  app.now = milliseconds(0);
  app.come_back({}, true);
  app.wait(milliseconds(10));
  EXPECT_THAT(app.in(InstancePhase::starting), ElementsAre("shop-v1-2"));
}

TEST_F(Recovery, BeginsAStartThatWasSavedAndNeverBegunUnderAnotherId) {
  app.serve("a");
  app.feed(Ended{old, "was killed by SIGSEGV", {}, 11});
  app.wait(milliseconds(1000));
  ASSERT_EQ(app.phase("shop-v1-2"), InstancePhase::starting);
  app.come_back({});
  EXPECT_THAT(app.did(), ElementsAre("forget shop-v1-2", "start shop-v1-3", publishes()));
}

TEST_F(Recovery, TakesAStartThatHadBegunForDone) {
  app.deploy("a");
  ASSERT_EQ(app.phase("shop-v1-1"), InstancePhase::starting);
  app.come_back({"shop-v1-1"});
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::warming);
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
}

TEST_F(Recovery, InPrepareFetchesAgain) {
  reach(prepare);
  app.come_back({old});
  EXPECT_THAT(app.did(), Contains("fetch https://builds/b"));
  app.feed(Fetched{"b"});
  EXPECT_EQ(phase(), warm);
}

TEST_F(Recovery, InWarmGoesOnWithTheCandidateThatRuns) {
  reach(warm);
  app.come_back({old, candidate});
  EXPECT_THAT(app.did(), ElementsAre(publishes()));
  app.wait(milliseconds(10));
  EXPECT_TRUE(app.probed(candidate));
  app.pass(candidate);
  EXPECT_EQ(phase(), commit);
}

TEST_F(Recovery, InWarmUndoesTheDeployWhenTheCandidateHasDied) {
  reach(warm);
  app.come_back({old});
  EXPECT_TRUE(app.did("finish kept_old"));
  EXPECT_EQ(app.finished()->failed_instance, candidate);
  EXPECT_THAT(app.ready(), ElementsAre(old));
}

TEST_F(Recovery, InWarmStopsTheCandidatesThatRunWhenOneHasDied) {
  app.config.instances = 2;
  app.deploy("a");
  app.start_all();
  app.come_back({"shop-v1-1"});
  EXPECT_EQ(phase(), abort);
  EXPECT_TRUE(app.did("stop shop-v1-1"));
  EXPECT_TRUE(app.did("forget shop-v1-2"));
}

TEST_F(Recovery, InWarmStartsTheCandidateThatWasNeverBegun) {
  app.serve("a");
  app.deploy("b");
  app.come_back({old});
  EXPECT_EQ(phase(), warm);
  EXPECT_TRUE(app.did("start shop-v2-3"));
  go_on();
  EXPECT_THAT(app.ready(), ElementsAre("shop-v2-3"));
}

TEST_F(Recovery, InWarmCommitsWhenAllWereWarmAlready) {
  app.config.instances = 2;
  app.deploy("a");
  app.start_all();
  app.pass("shop-v1-1");
  app.come_back({"shop-v1-1", "shop-v1-2"});
  EXPECT_EQ(app.phase("shop-v1-1"), InstancePhase::warm);
  app.pass("shop-v1-2");
  EXPECT_EQ(phase(), commit);
}

TEST_F(Recovery, InWarmAfterARebootUndoesTheDeployAndStartsTheOldRelease) {
  reach(warm);
  app.come_back({}, true);
  EXPECT_TRUE(app.did("finish kept_old"));
  EXPECT_THAT(app.in(InstancePhase::starting), ElementsAre("shop-v1-3"));
}

TEST_F(Recovery, InCommitPublishesTheTableAnewAndWaitsForThatOne) {
  reach(commit);
  const auto before = app.generation;
  app.come_back({old, candidate});
  EXPECT_THAT(app.did(), ElementsAre("publish " + std::to_string(before + 1)));
  app.feed(Acked{before});
  EXPECT_EQ(phase(), commit);
  app.feed(Acked{before + 1});
  EXPECT_EQ(phase(), drain);
}

TEST_F(Recovery, InCommitAfterARebootGoesForward) {
  reach(commit);
  app.come_back({}, true);
  EXPECT_EQ(app.state.current, 2u);
  EXPECT_THAT(app.in(InstancePhase::starting), ElementsAre("shop-v2-3"));
  EXPECT_EQ(app.find(old), nullptr);
  go_on();
  EXPECT_THAT(app.ready(), ElementsAre("shop-v2-3"));
}

TEST_F(Recovery, InDrainGoesOnDraining) {
  reach(drain);
  app.come_back({old, candidate});
  EXPECT_EQ(app.phase(old), InstancePhase::draining);
  EXPECT_EQ(app.find(old)->generation, app.generation);
  go_on();
  EXPECT_THAT(app.ready(), ElementsAre(candidate));
}

TEST_F(Recovery, WhileEvictingWaitsForAnAckOfTheTableItPublishes) {
  reach(drain);
  app.feed(Drained{old});
  const auto before = app.generation;
  app.come_back({old, candidate});
  app.feed(Acked{before});
  EXPECT_THAT(app.did(), Not(Contains("stop " + old)));
  app.feed(Acked{app.generation});
  EXPECT_THAT(app.did(), Contains("stop " + old));
}

TEST_F(Recovery, InRetireStopsTheOldInstanceThatStillRunsAgain) {
  reach(retire);
  app.come_back({old, candidate});
  EXPECT_TRUE(app.did("stop " + old));
  app.feed(Ended{old, "exited with code 0", 0, {}});
  EXPECT_TRUE(app.did("finish changed"));
}

TEST_F(Recovery, InRetireIsDoneWhenTheOldInstanceHasEnded) {
  reach(retire);
  app.come_back({candidate});
  EXPECT_THAT(app.did(), Contains("forget " + old));
  EXPECT_TRUE(app.did("finish changed"));
  EXPECT_THAT(app.ready(), ElementsAre(candidate));
}

TEST_F(Recovery, InAbortStopsTheCandidateAgainOrIsDone) {
  reach(abort);
  app.come_back({old, candidate});
  EXPECT_TRUE(app.did("stop " + candidate));
  app.come_back({old});
  EXPECT_TRUE(app.did("finish kept_old"));
  EXPECT_THAT(app.ready(), ElementsAre(old));
}

// The shape of the promise (DESIGN §2.5), whatever was under way and whatever survived.
TEST_F(Recovery, FromEveryPhaseAndEverySurvivorEndsTheDeployWithOneReleaseInRotation) {
  for (const auto from : {prepare, warm, commit, drain, retire, abort}) {
    for (const bool old_runs : {false, true}) {
      for (const bool candidate_runs : {false, true}) {
        for (const bool boot : {false, true}) {
          if (boot && (old_runs || candidate_runs)) continue;
          SCOPED_TRACE(std::string(name(from)) + (old_runs ? " old" : "") + (candidate_runs ? " candidate" : "") +
                       (boot ? " boot" : ""));
          app = AppUnderTest{1};
          reach(from);
          ASSERT_EQ(phase(), from);
          std::vector<std::string> running;
          if (old_runs && app.find(old)) running.push_back(old);
          if (candidate_runs && app.find(candidate)) running.push_back(candidate);
          app.come_back(running, boot);
          app.wait(milliseconds(1000));
          go_on();
          EXPECT_FALSE(app.state.rollout);
          const bool undone = from == abort || (from == warm && !candidate_runs);
          EXPECT_EQ(app.state.current, undone ? 1u : 2u);
          ASSERT_EQ(app.ready().size(), 1u);
          EXPECT_EQ(app.find(app.ready()[0])->release, app.state.current);
          EXPECT_EQ(app.state.instances.size(), 1u);
        }
      }
    }
  }
}

TEST_F(Recovery, OfAnAppWhoseConfigurationChangedMeanwhileScalesIt) {
  app.serve("a");
  app.config.instances = 2;
  app.come_back({old});
  EXPECT_TRUE(app.did("start shop-v1-2"));
}

TEST_F(Recovery, OfARemovedAppGoesOnRemovingIt) {
  app.serve("a");
  app.feed(Removed{});
  app.come_back({old});
  EXPECT_TRUE(app.state.removed);
  app.finish_rollout();
  EXPECT_THAT(app.state.instances, IsEmpty());
}

}  // namespace
}  // namespace fleet::plan
