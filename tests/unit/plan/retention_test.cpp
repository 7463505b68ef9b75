#include "plan/retention.hpp"

#include <gmock/gmock.h>

namespace fleet::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

// v9 to v1, an hour and ten bytes apart; 9 is current, 8 the one before.
std::vector<KeptRelease> nine() {
  std::vector<KeptRelease> all;
  for (std::uint64_t number = 9; number > 0; --number) {
    all.push_back({number, 10, std::chrono::hours(9 - number), number >= 8, false});
  }
  return all;
}

KeptRelease& at(std::vector<KeptRelease>& all, std::uint64_t number) { return all[9 - number]; }

std::vector<std::uint64_t> gone(const std::vector<KeptRelease>& kept, const KeepConfig& keep) {
  std::vector<std::uint64_t> numbers;
  for (const auto& one : expendable(kept, keep)) numbers.push_back(one.number);
  return numbers;
}

TEST(Retention, KeepsTheNewestBesidesThoseThatAreNeeded) {
  EXPECT_THAT(gone(nine(), {5, 0ms, 0}), ElementsAre(2, 1));
  EXPECT_THAT(gone(nine(), {0, 0ms, 0}), ElementsAre(7, 6, 5, 4, 3, 2, 1));
  EXPECT_THAT(gone(nine(), {7, 0ms, 0}), IsEmpty());
  EXPECT_THAT(gone({}, {0, 1ms, 1}), IsEmpty());
}

TEST(Retention, NeverRemovesWhatIsNeededOrPinnedWhateverTheLimits) {
  auto all = nine();
  at(all, 1).pinned = true;
  at(all, 3).needed = true;
  EXPECT_THAT(gone(all, {0, 1ms, 1}), ElementsAre(7, 6, 5, 4, 2));
}

TEST(Retention, APinnedReleaseTakesNoOthersPlace) {
  auto all = nine();
  at(all, 7).pinned = true;
  EXPECT_THAT(gone(all, {2, 0ms, 0}), ElementsAre(4, 3, 2, 1));
}

TEST(Retention, RemovesWhatIsTooOld) {
  EXPECT_THAT(gone(nine(), {100, 5h, 0}), ElementsAre(3, 2, 1)) << "at exactly five hours it stays";
  EXPECT_EQ(expendable(nine(), {100, 7h, 0}), (std::vector<Expendable>{{1, "keep_age"}}));
}

TEST(Retention, RemovesTheOldestWhileAllTogetherAreTooLarge) {
  EXPECT_THAT(gone(nine(), {100, 0ms, 90}), IsEmpty());
  EXPECT_EQ(expendable(nine(), {100, 0ms, 71}), (std::vector<Expendable>{{2, "keep_bytes"}, {1, "keep_bytes"}}));
  EXPECT_THAT(gone(nine(), {100, 0ms, 5}), ElementsAre(7, 6, 5, 4, 3, 2, 1)) << "those that are needed stay all the same";
}

TEST(Retention, WhatOneLimitRemovesTheNextDoesNotCount) {
  EXPECT_THAT(gone(nine(), {3, 0ms, 40}), ElementsAre(5, 4, 3, 2, 1));
}

}  // namespace
}  // namespace fleet::plan
