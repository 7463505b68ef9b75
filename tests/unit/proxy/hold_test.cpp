#include "upstream/hold.hpp"

#include <gtest/gtest.h>

#include <list>
#include <string>

#include "upstream/hold_pace.hpp"

namespace fleet::proxy {
namespace {

using namespace std::chrono_literals;

TEST(HoldPace, LetsFewGoAtFirstAndAllInTheEnd) {
  EXPECT_EQ(hold_window(0ms), 8u);
  EXPECT_EQ(hold_window(99ms), 8u);
  EXPECT_EQ(hold_window(100ms), 16u);
  EXPECT_EQ(hold_window(1s), 8192u);
  EXPECT_EQ(hold_window(24h), hold_window(2s)) << "and never overflows";
}

TEST(HoldPace, CountsWhatIsInFlightAlready) {
  EXPECT_EQ(may_go(0ms, 2, 0), 16u);
  EXPECT_EQ(may_go(0ms, 2, 10), 6u);
  EXPECT_EQ(may_go(0ms, 2, 16), 0u);
  EXPECT_EQ(may_go(0ms, 2, 5000), 0u);
  EXPECT_EQ(may_go(0ms, 0, 0), 0u) << "nothing takes them";
}

TEST(HoldPace, IsDoneWithAThousandInASecondEvenIfNoneOfThemEnds) {
  std::uint64_t in_flight = 0, left = 1000;
  auto since = 0ms;
  for (; left > 0; since += 100ms) {
    const auto go = std::min(left, may_go(since, 1, in_flight));
    in_flight += go, left -= go;
  }
  EXPECT_LE(since, 1s);
}

struct Quiet final : Target::Observer {
  void target_quiet(Target&) override {}
};

// One app whose requests are noted as they are let go; those claim nothing.
class HoldTest : public testing::Test {
 protected:
  HoldTest() {
    route.app = "shop";
    route.awaited = true;
    configure(0);
  }
  void configure(std::size_t targets) {
    std::vector<TargetPtr> all;
    for (std::size_t i = 0; i < targets; ++i) {
      fleet::Target from;
      from.id = "t" + std::to_string(i);
      from.endpoint = {"127.0.0.1", 1};
      all.push_back(std::make_shared<Target>("shop", 1, from, observer));
    }
    hold->configure(route, std::move(all), now);
  }
  Hold::Place& wait(std::chrono::milliseconds arrived) { return places.emplace_back(*hold, wakeup, now + arrived); }
  std::size_t let_go() const {
    return static_cast<std::size_t>(std::ranges::count(places, Hold::Standing::let_go, &Hold::Place::standing));
  }

  Quiet observer;
  Holds holds;
  std::shared_ptr<Hold> hold = holds.of("shop");
  Route route;
  Wakeup wakeup;
  std::list<Hold::Place> places;
  Clock::time_point now = Clock::now();
};

TEST_F(HoldTest, LetsNobodyGoWithoutATarget) {
  wait(0ms);
  hold->release(now);
  EXPECT_EQ(let_go(), 0u);
  EXPECT_EQ(hold->size(), 1u);
  configure(1);
  hold->release(now);
  EXPECT_EQ(let_go(), 1u);
}

TEST_F(HoldTest, LetsThemGoInTheOrderOfTheirArrivalThoughOneHadToWaitAgain) {
  configure(1);
  for (int i = 1; i <= 10; ++i) wait(std::chrono::milliseconds(i));
  auto& again = wait(0ms);
  hold->release(now);
  EXPECT_EQ(let_go(), 8u);
  EXPECT_EQ(again.standing(), Hold::Standing::let_go);
  EXPECT_EQ(std::next(places.begin(), 7)->standing(), Hold::Standing::waits);
}

TEST_F(HoldTest, LetsMoreGoWithTime) {
  configure(2);
  for (int i = 0; i < 200; ++i) wait(0ms);
  hold->release(now);
  EXPECT_EQ(let_go(), 16u);
  hold->release(now + 300ms);
  EXPECT_EQ(let_go(), 16u + 128u);
}

TEST_F(HoldTest, HoldsOnPurposeThoughThereAreTargets) {
  route.held_until = std::chrono::duration_cast<std::chrono::milliseconds>((now + 5s).time_since_epoch());
  configure(1);
  EXPECT_TRUE(hold->blocks(now));
  wait(0ms);
  hold->release(now + 4s);
  EXPECT_EQ(let_go(), 0u);
  hold->release(now + 5s);
  EXPECT_EQ(let_go(), 1u) << "it ends by itself, whatever became of fleetd";
}

TEST_F(HoldTest, WaitsUntilItsTimeoutOrForAsLongAsItIsHeldOnPurpose) {
  route.hold.timeout = 2s;
  configure(1);
  EXPECT_EQ(hold->patience(now), now + 2s);
  route.held_until = std::chrono::duration_cast<std::chrono::milliseconds>((now + 60s).time_since_epoch());
  configure(1);
  EXPECT_GT(hold->patience(now), now + 60s) << "its turn comes after the hold's end";
  now += 30s;
  route.held_until = 0ms;
  configure(1);
  EXPECT_GT(hold->patience(now - 30s), now) << "ended early: it has not waited in vain";
  EXPECT_EQ(hold->patience(now + 1s), now + 3s);
  now += 1s;
  configure(1);
  EXPECT_GT(hold->patience(now - 30s), now) << "whatever tables come";
}

TEST_F(HoldTest, AdmitsAsManyAsItIsToldTo) {
  route.hold.max_requests = 2;
  configure(0);
  wait(0ms);
  EXPECT_TRUE(hold->admits());
  wait(0ms);
  EXPECT_FALSE(hold->admits());
  places.pop_back();
  EXPECT_TRUE(hold->admits()) << "who leaves gives up its place";
}

TEST_F(HoldTest, AdmitsNoMoreThanThereIsMemoryForInAllAppsTogether) {
  route.hold.max_requests = 100'000;
  configure(0);
  for (std::uint32_t i = 0; i < Holds::kMost; ++i) wait(0ms);
  EXPECT_FALSE(hold->admits());
  EXPECT_EQ(holds.size(), Holds::kMost);
  const auto other = holds.of("blog");
  other->configure(route, {}, now);
  EXPECT_FALSE(other->admits());
}

TEST_F(HoldTest, AdmitsNobodyWhenNoTargetIsToCome) {
  route.awaited = false;
  configure(0);
  EXPECT_FALSE(hold->admits());
  configure(1);
  EXPECT_TRUE(hold->admits());
}

TEST_F(HoldTest, TellsThoseThatWaitWhenThereIsNothingToWaitForAnyMore) {
  const auto& place = wait(0ms);
  route.awaited = false;
  configure(0);
  hold->release(now);
  EXPECT_EQ(place.standing(), Hold::Standing::look_again);
}

TEST_F(HoldTest, TellsThoseThatWaitWhenTheirAppHasLeftTheTable) {
  const auto& place = wait(0ms);
  holds.retain({"blog"});
  holds.release(now);
  EXPECT_EQ(place.standing(), Hold::Standing::look_again);
  EXPECT_TRUE(hold->is_hopeless());
}

TEST_F(HoldTest, D2TellsThoseThatWaitWhenTheRoutesOfTheirAppHaveChanged) {
  const auto& place = wait(0ms);
  route.hosts = {"other.test"};
  configure(0);
  hold->release(now);
  EXPECT_EQ(place.standing(), Hold::Standing::look_again);
}

TEST_F(HoldTest, WaitsAMomentWhenAllTargetsRefuse) {
  configure(1);
  wait(0ms);
  hold->refused(now + 500ms);
  hold->release(now + 400ms);
  EXPECT_EQ(let_go(), 0u);
  hold->release(now + 500ms);
  EXPECT_EQ(let_go(), 1u);
}

TEST_F(HoldTest, LooksAgainAtOnceWhenATableComes) {
  configure(1);
  wait(0ms);
  hold->refused(now + 500ms);
  configure(1);
  hold->release(now);
  EXPECT_EQ(let_go(), 1u);
}

TEST_F(HoldTest, AnswersTheChosenPathsOnlyWhileRequestsWait) {
  route.hold.answer = {"/healthz"};
  configure(0);
  EXPECT_TRUE(hold->answers("/healthz", now));
  EXPECT_FALSE(hold->answers("/healthz/x", now));
  configure(1);
  EXPECT_FALSE(hold->answers("/healthz", now)) << "the application answers";
}

}  // namespace
}  // namespace fleet::proxy
