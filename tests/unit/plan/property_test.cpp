// Thousands of histories that nobody thought of, each from a fixed seed. `story()` tells how a broken one came about.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "world.hpp"

namespace fleet::plan {
namespace {

// More of them on demand: FLEET_HISTORIES=100000 unit-plan --gtest_filter='AnyHistory.*'
std::uint64_t histories() {
  const char* wanted = std::getenv("FLEET_HISTORIES");
  return wanted ? std::strtoull(wanted, nullptr, 10) : 1000;
}
constexpr int kEvents = 180;

TEST(AnyHistory, KeepsEveryPromiseAfterEveryEventAndComesToRest) {
  std::map<Outcome, std::uint64_t> outcomes;
  std::uint64_t probed_only = 0;
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    World world(seed);
    for (int i = 0; i < kEvents && !world.broken(); ++i) world.chaos();
    const bool rests = world.calm_down(2000);
    if (!world.broken() && rests) world.check_at_rest();
    ASSERT_FALSE(world.broken()) << "seed " << seed << ": " << world.story();
    ASSERT_TRUE(rests) << "seed " << seed << " never comes to rest" << world.story();
    for (const auto& [deployment, outcome] : world.finished()) ++outcomes[outcome];
    probed_only += world.probed_only();
  }
  if (histories() < 1000) return;
  // Else the histories say little.
  EXPECT_GT(outcomes[Outcome::changed], histories());
  EXPECT_GT(outcomes[Outcome::kept_old], histories());
  EXPECT_GT(outcomes[Outcome::already_current], histories() / 50);
  EXPECT_GT(outcomes[Outcome::rolled_back], histories() / 20);
  EXPECT_GT(probed_only, histories());
  for (const auto& [outcome, n] : outcomes) RecordProperty(std::string(name(outcome)), std::to_string(n));
}

TEST(AnyHistory, SurvivesBeingSavedAndReadAtEveryStep) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    World world(seed);
    for (int i = 0; i < kEvents && !world.broken(); ++i) {
      world.chaos();
      world.check_saved_state();
    }
    ASSERT_FALSE(world.broken()) << "seed " << seed << ": " << world.story();
  }
}

}  // namespace
}  // namespace fleet::plan
