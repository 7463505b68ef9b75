#include "alarm.hpp"

#include <gtest/gtest.h>

namespace fleet {
namespace {

using namespace std::chrono_literals;
using Change = Alarm::Change;

struct AlarmOf : testing::Test {
  Change fails(std::chrono::milliseconds after) { return alarm.failed("disk full", now += after); }
  Change works(std::chrono::milliseconds after) { return alarm.worked(now += after); }
  Alarm alarm;
  Alarm::Time now{1h};
};

TEST_F(AlarmOf, TheFirstFailureRaisesItAndFurtherOnesSayNothingNew) {
  EXPECT_EQ(works(1s), Change::none);
  EXPECT_EQ(fails(1s), Change::raised);
  EXPECT_EQ(alarm.why(), "disk full");
  EXPECT_EQ(alarm.failed("something else", now += 1s), Change::none);
  EXPECT_EQ(alarm.why(), "disk full") << "what began it";
}

TEST_F(AlarmOf, ItEndsOnceNothingHasFailedForAWhile) {
  fails(0s);
  EXPECT_EQ(works(2999ms), Change::none);
  EXPECT_TRUE(alarm.is_on());
  EXPECT_EQ(works(1ms), Change::cleared);
  EXPECT_FALSE(alarm.is_on());
  EXPECT_EQ(works(1s), Change::none) << "said once";
  EXPECT_EQ(fails(1s), Change::raised);
}

TEST_F(AlarmOf, WhatWorksNowAndThenStaysOneAlarm) {
  fails(0s);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(works(900ms), Change::none);
    EXPECT_EQ(fails(100ms), Change::none);
  }
  EXPECT_EQ(works(3s), Change::cleared);
}

TEST_F(AlarmOf, ThatNothingIsTriedDoesNotEndIt) {
  fails(0s);
  now += 1h;
  EXPECT_TRUE(alarm.is_on());
}

}  // namespace
}  // namespace fleet
