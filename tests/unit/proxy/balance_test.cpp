#include "upstream/balance.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace fleet::proxy {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

TEST(Share, GrowsEvenlyFromATenthToTheWhole) {
  EXPECT_EQ(share_at(0ms, 10s), 100u);
  EXPECT_EQ(share_at(5s, 10s), 550u);
  EXPECT_EQ(share_at(10s, 10s), 1000u);
  EXPECT_EQ(share_at(24h, 10s), 1000u);
  EXPECT_EQ(share_at(-1s, 10s), 100u) << "clocks of two threads may differ";
  EXPECT_EQ(share_at(0ms, 0ms), 1000u) << "no slow start";
}

TEST(Load, WeighsByTheShare) {
  EXPECT_TRUE(weighs_less({0, 1000}, {1, 1000}));
  EXPECT_FALSE(weighs_less({1, 1000}, {1, 1000}));
  EXPECT_TRUE(weighs_less({8, 1000}, {0, 100}));
  EXPECT_TRUE(weighs_less({0, 100}, {10, 1000}));
  EXPECT_TRUE(weighs_less({0, 1000}, {~0u, 1000}));
}

TEST(Load, SharesOutByTheShares) {
  Load old, fresh{0, 250};
  for (int i = 0; i < 1000; ++i) ++(weighs_less(fresh, old) ? fresh : old).in_flight;
  EXPECT_NEAR(fresh.in_flight, 200, 2);
}

std::uint64_t place(int number) { return hash_of("place " + std::to_string(number)); }

int winner(std::uint64_t key, const std::map<int, std::uint32_t>& shares) {
  int best = -1;
  double highest = 0;
  for (const auto& [number, share] : shares) {
    const auto score = score_of(key, place(number), share);
    if (best < 0 || score > highest) best = number, highest = score;
  }
  return best;
}

constexpr int kKeys = 20'000;
std::uint64_t key(int number) { return hash_of("user-" + std::to_string(number)); }

TEST(Rendezvous, SharesKeysOutEvenly) {
  const std::map<int, std::uint32_t> five{{0, 1000}, {1, 1000}, {2, 1000}, {3, 1000}, {4, 1000}};
  std::map<int, int> taken;
  for (int i = 0; i < kKeys; ++i) ++taken[winner(key(i), five)];
  for (const auto& [number, count] : taken) EXPECT_NEAR(count, kKeys / 5, kKeys / 100) << "target " << number;
}

TEST(Rendezvous, MovesOnlyTheKeysOfATargetThatLeavesAndSpreadsThem) {
  std::map<int, std::uint32_t> shares{{0, 1000}, {1, 1000}, {2, 1000}, {3, 1000}, {4, 1000}};
  std::vector<int> before;
  for (int i = 0; i < kKeys; ++i) before.push_back(winner(key(i), shares));
  shares.erase(2);
  std::map<int, int> inherited;
  for (int i = 0; i < kKeys; ++i) {
    const auto now = winner(key(i), shares);
    if (before[static_cast<std::size_t>(i)] == 2) ++inherited[now];
    else EXPECT_EQ(now, before[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(inherited.size(), 4u);
  for (const auto& [number, count] : inherited) EXPECT_NEAR(count, kKeys / 20, kKeys / 100) << "target " << number;
}

TEST(Rendezvous, MovesOnlyToATargetThatComesAndGivesItItsPart) {
  std::map<int, std::uint32_t> shares{{0, 1000}, {1, 1000}, {2, 1000}};
  std::vector<int> before;
  for (int i = 0; i < kKeys; ++i) before.push_back(winner(key(i), shares));
  const auto moved = [&](std::uint32_t share) {
    shares[3] = share;
    int count = 0;
    for (int i = 0; i < kKeys; ++i) {
      const auto now = winner(key(i), shares);
      if (now == before[static_cast<std::size_t>(i)]) continue;
      EXPECT_EQ(now, 3);
      ++count;
    }
    return count;
  };
  EXPECT_NEAR(moved(1000), kKeys / 4, kKeys / 100);
  EXPECT_NEAR(moved(100), kKeys / 31, kKeys / 200) << "in its slow start";
}

TEST(Rendezvous, IsTheSameInEveryWorkerAndVersion) {
  EXPECT_EQ(hash_of(""), 0xf52a15e9a9b5e89bu);
  EXPECT_EQ(hash_of("user-1"), 0xc499b5f8a721df58u);
}

}  // namespace
}  // namespace fleet::proxy
