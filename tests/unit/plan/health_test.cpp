#include "plan/health.hpp"

#include <gmock/gmock.h>

namespace fleet::plan {
namespace {

using testing::ElementsAre;
using enum ProbeOutcome;

struct HealthChecks : testing::Test {
  HealthConfig config;
  milliseconds now{50'000};
  Health health = begin_probing(now);

  Verdict answer(ProbeOutcome outcome, bool starting = true) {
    return on_probe(health, config, outcome, starting, now);
  }
  // How long it waits after each of n answers that come as soon as they are asked for.
  std::vector<long> waits(ProbeOutcome outcome, int n, bool starting = true) {
    std::vector<long> times;
    for (int i = 0; i < n; ++i) {
      now = health.next_probe;
      answer(outcome, starting);
      times.push_back((health.next_probe - now).count());
    }
    return times;
  }
};

TEST_F(HealthChecks, AskForTheFirstTimeWithinTenMilliseconds) {
  EXPECT_LE(health.next_probe - now, milliseconds(10));
  EXPECT_FALSE(health.probing);
}

TEST_F(HealthChecks, BackOffToTheIntervalWhileAnInstanceStarts) {
  EXPECT_THAT(waits(failed, 9), ElementsAre(10, 20, 40, 80, 160, 320, 640, 1000, 1000));
}

TEST_F(HealthChecks, NeverWaitLongerThanTheIntervalWhileAnInstanceStarts) {
  config.interval = milliseconds(30);
  EXPECT_THAT(waits(failed, 4), ElementsAre(10, 20, 30, 30));
}

TEST_F(HealthChecks, CountNothingThatCouldNotBeAsked) {
  config.unhealthy = 2, config.healthy = 2;
  EXPECT_EQ(answer(failed), Verdict::unchanged);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(answer(unasked, false), Verdict::unchanged);
  EXPECT_EQ(health.next_probe - health.next_probe % 100, now + config.interval) << "and ask again";
  EXPECT_EQ(answer(failed), Verdict::unhealthy) << "the run goes on where it was";
  EXPECT_EQ(answer(passed), Verdict::unchanged);
  EXPECT_EQ(answer(unasked), Verdict::unchanged);
  EXPECT_EQ(answer(passed), Verdict::healthy);
}

TEST_F(HealthChecks, AskARefusingPortAgainWithin25Milliseconds) {
  EXPECT_THAT(waits(refused, 5), ElementsAre(10, 20, 25, 25, 25));
}

TEST_F(HealthChecks, StopHurryingAfterTwoMinutesOfRefusals) {
  now += milliseconds(119'999);
  health.delay = config.interval;
  answer(refused);
  EXPECT_EQ(health.next_probe - now, milliseconds(25));
  now += milliseconds(1);
  answer(refused);
  EXPECT_EQ(health.next_probe - now, config.interval);
}

TEST_F(HealthChecks, ComeOncePerIntervalInRotation) {
  health = watch(config, now);
  EXPECT_EQ(health.next_probe, now + config.interval);
  EXPECT_THAT(waits(passed, 3, false), ElementsAre(1000, 1000, 1000));
  EXPECT_THAT(waits(refused, 2, false), ElementsAre(1000, 1000));
}

TEST_F(HealthChecks, AnAnswerEndsTheProbeUnderWay) {
  health.probing = true;
  answer(passed);
  EXPECT_FALSE(health.probing);
}

TEST_F(HealthChecks, CountASuccessOnlyWithItsFullRun) {
  config.healthy = 3;
  EXPECT_EQ(answer(passed), Verdict::unchanged);
  EXPECT_EQ(answer(passed), Verdict::unchanged);
  EXPECT_EQ(answer(passed), Verdict::healthy);
}

TEST_F(HealthChecks, FlappingStartsTheRunAgain) {
  config.healthy = 3;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(answer(passed), Verdict::unchanged);
    EXPECT_EQ(answer(passed), Verdict::unchanged);
    EXPECT_EQ(answer(failed), Verdict::unchanged);
  }
}

TEST_F(HealthChecks, ARefusalCountsAsAFailure) {
  config.unhealthy = 2;
  EXPECT_EQ(answer(failed), Verdict::unchanged);
  EXPECT_EQ(answer(refused), Verdict::unhealthy);
}

TEST_F(HealthChecks, OneSuccessForgivesEarlierFailures) {
  config.unhealthy = 2;
  EXPECT_EQ(answer(failed), Verdict::unchanged);
  EXPECT_EQ(answer(passed), Verdict::unchanged);
  EXPECT_EQ(answer(failed), Verdict::unchanged);
  EXPECT_EQ(answer(failed), Verdict::unhealthy);
}

TEST_F(HealthChecks, AThresholdLoweredWhileTheyRunIsReachedByTheNextAnswer) {
  config.healthy = 5;
  for (int i = 0; i < 4; ++i) answer(passed);
  config.healthy = 2;
  EXPECT_EQ(answer(passed), Verdict::healthy);
  config.unhealthy = 5;
  for (int i = 0; i < 4; ++i) answer(failed);
  config.unhealthy = 2;
  EXPECT_EQ(answer(failed), Verdict::unhealthy);
}

}  // namespace
}  // namespace fleet::plan
