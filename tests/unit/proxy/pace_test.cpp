// Slow clients: the end of section T.
#include "exchange/pace.hpp"

#include <gtest/gtest.h>

namespace fleet::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kWindow{30000};
constexpr std::uint32_t kRate = 240;
constexpr std::uint64_t kEnough = 240 * 30;

// A client that is waited for all the time and moves `bytes` each `step`. How long until it is given up, or zero when it
// never is within a day.
milliseconds given_up_after(std::uint64_t bytes, milliseconds step) {
  Pace pace;
  const Clock::time_point start{};
  std::uint64_t moved = 0;
  for (milliseconds at{0}; at < std::chrono::hours(24); at += step, moved += bytes) {
    const auto now = start + at;
    if (pace.waits(now, kWindow) && !pace.keeps_up(now, moved, kWindow, kRate)) return at;
  }
  return milliseconds(0);
}

TEST(Pace, T_ATrickleIsGivenUpWithinTwoWindows) {
  EXPECT_EQ(given_up_after(1, seconds(1)), kWindow);
  EXPECT_EQ(given_up_after(1, seconds(29)), seconds(58));
  EXPECT_EQ(given_up_after(239, seconds(1)), kWindow);
}

TEST(Pace, T_WhoeverKeepsTheRateIsNeverGivenUp) {
  EXPECT_EQ(given_up_after(240, seconds(1)), milliseconds(0));
  EXPECT_EQ(given_up_after(kEnough, seconds(29)), milliseconds(0));
  EXPECT_EQ(given_up_after(1u << 30, milliseconds(700)), milliseconds(0));
}

TEST(Pace, T_AQuickBeginningBuysNoTime) {
  Pace pace;
  const Clock::time_point start{};
  EXPECT_FALSE(pace.waits(start, kWindow));
  ASSERT_TRUE(pace.waits(start + kWindow, kWindow));
  EXPECT_TRUE(pace.keeps_up(start + kWindow, 1u << 30, kWindow, kRate));
  ASSERT_TRUE(pace.waits(start + 2 * kWindow, kWindow));
  EXPECT_FALSE(pace.keeps_up(start + 2 * kWindow, (1u << 30) + kEnough - 1, kWindow, kRate));
}

TEST(Pace, T_TimeSpentWaitingForOthersDoesNotCount) {
  Pace pace;
  Clock::time_point now{};
  for (int i = 0; i < 29; ++i) {
    EXPECT_FALSE(pace.waits(now, kWindow));
    now += seconds(1);
    pace.rests(now);
    now += std::chrono::hours(1);
    pace.rests(now);
  }
  EXPECT_FALSE(pace.waits(now, kWindow));
  EXPECT_TRUE(pace.waits(now + seconds(1), kWindow));
}

}  // namespace
}  // namespace fleet::proxy
