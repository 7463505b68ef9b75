#include "plan.hpp"

#include <gtest/gtest.h>

#include <map>

namespace fleet::soak {
namespace {

TEST(ParseFaults, KnowsAllNoneAndNames) {
  EXPECT_EQ(parse_faults("all")->size(), enum_count<FaultKind>());
  EXPECT_TRUE(parse_faults("none")->empty());
  EXPECT_EQ(*parse_faults("kill-shim"), std::vector{FaultKind::kill_shim});
  EXPECT_EQ(*parse_faults("starve,kill-fleetd"), (std::vector{FaultKind::starve, FaultKind::kill_fleetd}));
}

TEST(ParseFaults, RefusesWhatItDoesNotKnow) {
  for (const auto* text : {"", "kill", "kill-shim,", ",kill-shim", "kill-shim,none", "all,kill-shim", "Kill-Shim"}) {
    EXPECT_FALSE(parse_faults(text)) << text;
  }
}

bool operator==(const PlannedFault& a, const PlannedFault& b) {
  return a.kind == b.kind && a.after == b.after && a.lasting == b.lasting && a.victim == b.victim;
}

TEST(FaultPlan, FollowsFromItsSeed) {
  FaultPlan one(7, *parse_faults("all")), same(7, *parse_faults("all")), other(8, *parse_faults("all"));
  bool differs = false;
  for (int i = 0; i < 200; ++i) {
    const auto fault = one.next();
    EXPECT_TRUE(fault == same.next());
    differs |= !(fault == other.next());
  }
  EXPECT_TRUE(differs);
}

TEST(FaultPlan, HasAllThatWasAskedForAndNothingElse) {
  FaultPlan all(1, *parse_faults("all")), few(1, *parse_faults("kill-worker,starve"));
  std::map<FaultKind, int> seen, of_few;
  for (int i = 0; i < 2000; ++i) ++seen[all.next().kind], ++of_few[few.next().kind];
  EXPECT_EQ(seen.size(), enum_count<FaultKind>());
  for (const auto& [kind, times] : seen) EXPECT_GT(times, 100) << name(kind);
  EXPECT_EQ(of_few.size(), 2u);
}

TEST(FaultPlan, LetsThingsComeRightInBetween) {
  FaultPlan plan(1, *parse_faults("all"));
  for (int i = 0; i < 2000; ++i) {
    const auto fault = plan.next();
    EXPECT_GE(fault.after, milliseconds(100));
    EXPECT_LE(fault.lasting, milliseconds(5000));
    if (fault.kind == FaultKind::kill_shim) {
      EXPECT_EQ(fault.lasting, milliseconds(0));
    }
  }
}

TEST(OperationPlan, FollowsFromItsSeedAndIsMostlyDeploys) {
  OperationPlan one(7), same(7);
  std::map<Operation, int> seen;
  for (int i = 0; i < 4000; ++i) {
    const auto planned = one.next();
    EXPECT_EQ(planned.operation, same.next().operation);
    ++seen[planned.operation];
  }
  EXPECT_EQ(seen.size(), enum_count<Operation>());
  EXPECT_GT(seen[Operation::deploy], 2000);
  for (const auto& [operation, times] : seen) EXPECT_GT(times, 80) << name(operation);
}

}  // namespace
}  // namespace fleet::soak
