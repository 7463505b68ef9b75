#include "upstream/outlier.hpp"

#include <gtest/gtest.h>

namespace fleet::proxy {
namespace {

using namespace std::chrono_literals;

TEST(Outlier, IsOneThatFailsThreeTimesWhereItsFellowsDoNot) {
  EXPECT_FALSE(stands_out({2, 2}, {100, 0}));
  EXPECT_TRUE(stands_out({3, 3}, {100, 0}));
  EXPECT_TRUE(stands_out({30, 3}, {60, 0})) << "one of ten";
  EXPECT_FALSE(stands_out({100, 3}, {200, 0})) << "so few that they are nobody's fault";
}

TEST(Outlier, IsNobodyWhereAllFailAlike) {
  EXPECT_FALSE(stands_out({20, 20}, {40, 40}));
  EXPECT_FALSE(stands_out({20, 10}, {40, 20}));
  EXPECT_FALSE(stands_out({20, 20}, {40, 10})) << "four times as often might yet be what they were asked for";
  EXPECT_TRUE(stands_out({20, 20}, {40, 8}));
}

TEST(Outlier, IsNobodyWithoutFellowsThatHaveBeenAsked) {
  EXPECT_FALSE(stands_out({50, 50}, {}));
  EXPECT_FALSE(stands_out({50, 50}, {19, 0}));
  EXPECT_TRUE(stands_out({50, 50}, {20, 0}));
}

TEST(Outlier, RecordFadesByHalvesAndIsForgotten) {
  Record record;
  const Record::Time start(1h);
  for (int i = 0; i < 8; ++i) record.note(i % 2 == 0, start);
  EXPECT_EQ(record.at(start + 9s).all, 8u);
  EXPECT_EQ(record.at(start + 11s).all, 4u);
  EXPECT_EQ(record.at(start + 11s).failed, 2u);
  EXPECT_EQ(record.at(start + 25s).failed, 1u);
  EXPECT_EQ(record.at(start + 24h * 365).all, 0u);
  record.note(true, start + 11s);
  EXPECT_EQ(record.at(start + 11s).all, 5u);
  record.clear();
  EXPECT_EQ(record.at(start + 11s).all, 0u);
}

TEST(Outlier, IsPassedOverForTwiceAsLongEachTime) {
  EXPECT_EQ(time_out(1s, 0), 1s);
  EXPECT_EQ(time_out(1s, 1), 2s);
  EXPECT_EQ(time_out(1s, 4), 16s);
  EXPECT_EQ(time_out(1s, 5), 30s);
  EXPECT_EQ(time_out(1s, 4'000'000), 30s);
}

}  // namespace
}  // namespace fleet::proxy
