#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using enum RolloutPhase;

const auto kEverythingKept = [](std::uint64_t) { return true; };
const auto kNothingKept = [](std::uint64_t) { return false; };

Request rollback_to(std::uint64_t release) { return Request{50, RolloutKind::rollback, "", "a", release, "ann"}; }
Request restart() { return Request{51, RolloutKind::restart, "", "", 0, "ann"}; }

struct Rollback : testing::Test {
  AppUnderTest app{2};
  RolloutPhase phase() const { return app.state.rollout ? app.state.rollout->phase : done; }
  std::size_t ready_of(std::uint64_t release) const {
    std::size_t n = 0;
    for (const auto& id : app.ready()) n += app.find(id)->release == release ? 1 : 0;
    return n;
  }
};

TEST_F(Rollback, WithoutAReleaseGoesToThePreviousOneWithNewInstances) {
  app.serve("a");
  app.serve("b");
  ASSERT_TRUE(admit(app.state, rollback_to(0), kEverythingKept));
  app.feed(rollback_to(0));
  EXPECT_THAT(app.did(), ElementsAre("start shop-v1-5", "start shop-v1-6"));
  EXPECT_EQ(phase(), warm);
  EXPECT_EQ(ready_of(2), 2u);
  EXPECT_EQ(build_of(app.state, 1), "a");
  EXPECT_EQ(build_of(app.state, 2), "b");
  app.warm_up();
  EXPECT_EQ(phase(), commit);
  EXPECT_EQ(app.state.current, 1u);
  EXPECT_EQ(app.state.previous, 2u);
  EXPECT_EQ(app.state.current_sha256, "a");
  app.finish_rollout();
  EXPECT_TRUE(app.did("finish changed"));
  EXPECT_EQ(ready_of(1), 2u);
}

TEST_F(Rollback, ToAGivenReleaseSkipsThoseBetween) {
  app.serve("a");
  app.serve("b");
  app.serve("c");
  app.feed(rollback_to(1));
  app.warm_up();
  app.finish_rollout();
  EXPECT_EQ(app.state.current, 1u);
  EXPECT_EQ(app.state.previous, 3u);
  EXPECT_EQ(app.state.next_release, 4u);
}

TEST_F(Rollback, ToWhatRunsIsDoneAtOnce) {
  app.serve("a");
  ASSERT_TRUE(admit(app.state, rollback_to(1), kNothingKept));
  app.feed(rollback_to(1));
  EXPECT_THAT(app.did(), ElementsAre("finish already_current"));
  EXPECT_EQ(ready_of(1), 2u);
}

TEST_F(Rollback, IsNotFoundWithoutAPreviousReleaseOrItsFiles) {
  app.serve("a");
  EXPECT_EQ(admit(app.state, rollback_to(0), kEverythingKept).error().kind, ErrorKind::not_found);
  app.serve("b");
  EXPECT_TRUE(admit(app.state, rollback_to(0), [](std::uint64_t release) { return release == 1; }));
  const auto gone = admit(app.state, rollback_to(9), kNothingKept);
  EXPECT_EQ(gone.error().kind, ErrorKind::not_found);
  EXPECT_THAT(gone.error().text, HasSubstr("no release v9"));
}

TEST_F(Rollback, ThatFailsKeepsTheReleaseItWasToUndoAndDiscardsNothing) {
  app.serve("a");
  app.serve("b");
  app.rollback();
  app.feed(Ended{"shop-v1-5", "exited with code 1", 1, {}});
  app.feed(Ended{"shop-v1-6", "exited with code 0", 0, {}});
  EXPECT_THAT(app.did(), ElementsAre("forget shop-v1-6", "finish kept_old"));
  EXPECT_EQ(app.state.current, 2u);
  EXPECT_EQ(ready_of(2), 2u);
}

TEST_F(Rollback, OfARemovedAppIsNotFound) {
  app.serve("a");
  app.feed(Removed{});
  EXPECT_EQ(admit(app.state, rollback_to(1), kEverythingKept).error().kind, ErrorKind::not_found);
}

// ---- overtaking a deploy whose old instances still run ----

struct Overtaking : Rollback {
  Overtaking() {
    app.serve("a");
    app.deploy("b");
    app.warm_up();
  }
  void expect_back_on_the_old_instances() {
    EXPECT_THAT(app.ready(), ElementsAre("shop-v1-1", "shop-v1-2"));
    EXPECT_THAT(app.routed(TargetState::ready), ElementsAre("shop-v1-1", "shop-v1-2"));
    EXPECT_EQ(app.state.current, 1u);
    EXPECT_EQ(app.state.previous, 2u);
  }
};

TEST_F(Overtaking, InCommitPutsTheOldInstancesBackInOneStep) {
  ASSERT_EQ(phase(), commit);
  ASSERT_TRUE(admit(app.state, rollback_to(0), kNothingKept));
  const auto before = app.generation;
  app.feed(rollback_to(0));
  EXPECT_THAT(app.did(), ElementsAre("finish rolled_back", "publish " + std::to_string(before + 1)));
  EXPECT_EQ(app.finished()->deployment, 2u);
  EXPECT_EQ(app.finished()->error, "rolled back by ann");
  expect_back_on_the_old_instances();
  EXPECT_THAT(app.routed(TargetState::draining), ElementsAre("shop-v2-3", "shop-v2-4"));
  EXPECT_EQ(app.state.rollout->deployment, 50u);

  app.feed(Acked{before});
  EXPECT_EQ(phase(), commit);
  app.finish_rollout();
  EXPECT_TRUE(app.did("finish changed"));
  expect_back_on_the_old_instances();
  EXPECT_EQ(app.state.instances.size(), 2u);
}

TEST_F(Overtaking, InDrainWorksWhileTheyStillDrain) {
  app.feed(Acked{app.generation});
  ASSERT_EQ(phase(), drain);
  app.feed(rollback_to(1));
  expect_back_on_the_old_instances();
  EXPECT_TRUE(app.in(InstancePhase::stopping).empty());
}

TEST_F(Overtaking, DoesNotEndTheReturnedInstancesAtTheirFormerDrainDeadline) {
  app.feed(rollback_to(0));
  app.finish_rollout();
  app.wait(app.config.drain.timeout * 2);
  expect_back_on_the_old_instances();
}

TEST_F(Overtaking, CanItselfBeOvertaken) {
  app.feed(rollback_to(0));
  app.feed(Request{52, RolloutKind::rollback, "", "b", 0, "bob"});
  EXPECT_TRUE(app.did("finish rolled_back"));
  EXPECT_THAT(app.ready(), ElementsAre("shop-v2-3", "shop-v2-4"));
  EXPECT_EQ(app.state.current, 2u);
  app.finish_rollout();
  EXPECT_EQ(ready_of(2), 2u);
  EXPECT_EQ(app.state.instances.size(), 2u);
}

TEST_F(Overtaking, IsBusyOnceAnOldInstanceIsBeingEvicted) {
  app.feed(Acked{app.generation});
  app.feed(Drained{"shop-v1-1"});
  EXPECT_EQ(admit(app.state, rollback_to(0), kEverythingKept).error().kind, ErrorKind::busy);
  const auto before = app.state;
  app.feed(rollback_to(0));
  EXPECT_EQ(app.state, before);
}

// One of many may drain for as long as its streams last; it cannot carry what all of them did.
TEST_F(Overtaking, IsBusyWhenOldInstancesHaveGoneAlready) {
  app.feed(Acked{app.generation});
  app.feed(Ended{"shop-v1-1", "was killed by SIGSEGV", {}, 11});
  ASSERT_EQ(phase(), drain);
  EXPECT_EQ(admit(app.state, rollback_to(0), kEverythingKept).error().kind, ErrorKind::busy);
  const auto before = app.state;
  app.feed(rollback_to(0));
  EXPECT_EQ(app.state, before);
}

TEST_F(Overtaking, GoesOnlyToTheReleaseThatWasLeft) {
  EXPECT_EQ(admit(app.state, rollback_to(2), kEverythingKept).error().kind, ErrorKind::busy);
  EXPECT_EQ(admit(app.state, rollback_to(7), kEverythingKept).error().kind, ErrorKind::busy);
}

TEST_F(Overtaking, ARestartIsNotPossible) {
  app.finish_rollout();
  app.restart();
  app.warm_up();
  ASSERT_EQ(phase(), commit);
  EXPECT_EQ(admit(app.state, rollback_to(0), kEverythingKept).error().kind, ErrorKind::busy);
}

// ---- restart ----

TEST_F(Rollback, ARestartReplacesTheInstancesAndKeepsTheRelease) {
  app.serve("a");
  ASSERT_TRUE(admit(app.state, restart(), kEverythingKept));
  app.feed(restart());
  EXPECT_THAT(app.did(), ElementsAre("start shop-v1-3", "start shop-v1-4"));
  app.warm_up();
  EXPECT_THAT(app.routed(TargetState::ready), ElementsAre("shop-v1-3", "shop-v1-4"));
  EXPECT_THAT(app.routed(TargetState::draining), ElementsAre("shop-v1-1", "shop-v1-2"));
  app.finish_rollout();
  EXPECT_TRUE(app.did("finish changed"));
  EXPECT_EQ(app.state.current, 1u);
  EXPECT_EQ(app.state.previous, 0u);
}

TEST_F(Rollback, ARestartDoesNotForgetWhatRuns) {
  app.serve("a");
  app.feed(restart());
  app.warm_up();
  app.finish_rollout();
  app.deploy("a");
  EXPECT_TRUE(app.did("finish already_current"));
}

TEST_F(Rollback, ARestartNeedsAReleaseAndItsFiles) {
  EXPECT_EQ(admit(app.state, restart(), kEverythingKept).error().kind, ErrorKind::not_found);
  app.serve("a");
  EXPECT_EQ(admit(app.state, restart(), kNothingKept).error().kind, ErrorKind::not_found);
}

TEST_F(Rollback, ADeployIsAdmittedWheneverNothingIsUnderWay) {
  const Request deploy{1, RolloutKind::deploy, "u", "", 0, "ann"};
  EXPECT_TRUE(admit(app.state, deploy, kNothingKept));
  app.serve("a");
  EXPECT_TRUE(admit(app.state, deploy, kNothingKept));
}

}  // namespace
}  // namespace fleet::plan
