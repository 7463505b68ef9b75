#include "clock.hpp"

#include <gtest/gtest.h>

namespace fleet {
namespace {

using namespace std::chrono_literals;
const AttendedClock::Real::time_point kStart{1000h};

TEST(AttendedClock, GoesOnFromWhereTheFormerStood) {
  AttendedClock clock(5000ms, kStart);
  EXPECT_EQ(clock.now(kStart), 5000ms);
  EXPECT_EQ(clock.now(kStart + 250ms), 5250ms);
}

TEST(AttendedClock, LosesNothingToManySmallSteps) {
  AttendedClock clock(0ms, kStart);
  for (int i = 1; i <= 3000; ++i) (void)clock.now(kStart + i * 333us);
  EXPECT_EQ(clock.now(kStart + 999ms), 999ms);
}

TEST(AttendedClock, CountsALateBeatInFull) {
  AttendedClock clock(0ms, kStart);
  EXPECT_EQ(clock.now(kStart + 1200ms), 1200ms);
}

TEST(AttendedClock, LeavesOutTheTimeThatNobodyAttendedTo) {
  AttendedClock clock(0ms, kStart);
  EXPECT_EQ(clock.now(kStart + 10h), 1s);
  EXPECT_EQ(clock.now(kStart + 10h + 1s), 2s) << "and goes on as before";
}

TEST(WallTime, IsRfc3339InUtcWithMilliseconds) {
  EXPECT_EQ(wall_time(std::chrono::system_clock::time_point(0ms)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(wall_time(std::chrono::system_clock::time_point(1795390270123ms)), "2026-11-22T23:31:10.123Z");
}

}  // namespace
}  // namespace fleet
