#include <gtest/gtest.h>

#include "lifecycle.hpp"
#include "lines.hpp"
#include "notify.hpp"
#include "options.hpp"

namespace fleet::shim {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr Time kStart{};

Lifecycle running() {
  Lifecycle life(kStart, seconds(10));
  life.launched();
  return life;
}

Lifecycle clearing() {
  auto life = running();
  life.ended(kStart);
  return life;
}

Lifecycle done() {
  auto life = clearing();
  life.cleared();
  return life;
}

bool nothing(const Actions& actions) {
  return actions.signal == 0 && !actions.kill_tree && !actions.announce && !actions.leave;
}

TEST(Lifecycle, LeavesWhenNothingWasLaunchedInTime) {
  Lifecycle life(kStart, seconds(10));
  EXPECT_EQ(life.wake_at(), kStart + seconds(10));
  EXPECT_TRUE(nothing(life.tick(kStart + seconds(9))));
  EXPECT_TRUE(life.tick(kStart + seconds(10)).leave);
}

TEST(Lifecycle, StaysForEverOnceSomethingRunsOrHasEnded) {
  auto life = running();
  EXPECT_FALSE(life.wake_at());
  EXPECT_TRUE(nothing(life.tick(kStart + hours(1000))));
  life = done();
  EXPECT_FALSE(life.wake_at());
  EXPECT_TRUE(nothing(life.tick(kStart + hours(1000))));
}

TEST(Lifecycle, KillsTheTreeAtItsTimeLimitAndKnowsWhy) {
  Lifecycle life(kStart, seconds(10));
  life.launched(kStart, seconds(5));
  EXPECT_EQ(life.wake_at(), kStart + seconds(5));
  EXPECT_TRUE(nothing(life.tick(kStart + seconds(4))));
  EXPECT_FALSE(life.timed_out());
  EXPECT_TRUE(life.tick(kStart + seconds(5)).kill_tree);
  EXPECT_TRUE(life.timed_out());

  Lifecycle stopped(kStart, seconds(10));
  stopped.launched(kStart, seconds(5));
  stopped.stop(9, seconds(1), kStart);
  EXPECT_TRUE(stopped.tick(kStart + seconds(1)).kill_tree);
  EXPECT_FALSE(stopped.timed_out());
}

TEST(Lifecycle, KillsTheTreeAtTheEarliestDeadlineAndAgainUntilTheProgramHasEnded) {
  auto life = running();
  EXPECT_EQ(life.stop(2, seconds(10), kStart).signal, 2);
  EXPECT_EQ(life.stop(15, seconds(30), kStart).signal, 15);
  EXPECT_TRUE(nothing(life.tick(kStart + seconds(9))));
  EXPECT_TRUE(life.tick(kStart + seconds(10)).kill_tree);
  EXPECT_TRUE(life.tick(*life.wake_at()).kill_tree);
  EXPECT_TRUE(life.ended(*life.wake_at()).kill_tree);
  EXPECT_TRUE(life.cleared().announce);
  EXPECT_TRUE(life.stopping());
}

TEST(Lifecycle, TellsTheEndOnceNothingIsLeftOrAfterTryingLongEnough) {
  auto life = clearing();
  EXPECT_EQ(life.phase(), Phase::clearing);
  EXPECT_TRUE(life.tick(kStart + seconds(4)).kill_tree);
  EXPECT_TRUE(life.tick(kStart + seconds(5)).announce);
  EXPECT_EQ(life.phase(), Phase::done);
}

TEST(Lifecycle, IsDismissedOnlyWhenNothingRuns) {
  EXPECT_TRUE(Lifecycle(kStart, seconds(10)).dismiss().leave);
  EXPECT_FALSE(running().dismiss().leave);
  EXPECT_FALSE(clearing().dismiss().leave);
  EXPECT_TRUE(done().dismiss().leave);
}

TEST(Lifecycle, LeavesByItselfAfterBeingTerminated) {
  EXPECT_TRUE(Lifecycle(kStart, seconds(10)).terminate(kStart).leave);
  EXPECT_TRUE(done().terminate(kStart).leave);
  auto life = running();
  EXPECT_EQ(life.terminate(kStart).signal, 15);
  EXPECT_EQ(life.wake_at(), kStart + seconds(10));
  life.ended(kStart);
  EXPECT_TRUE(life.cleared().leave);
  life = clearing();
  life.terminate(kStart);
  EXPECT_TRUE(life.cleared().leave);
}

TEST(Lifecycle, TakesNonsenseForTheDefaultOrTheNearestSense) {
  auto life = running();
  EXPECT_EQ(life.stop(0, milliseconds::max(), kStart).signal, 15);
  EXPECT_EQ(life.wake_at(), kStart + hours(24 * 7));
  EXPECT_EQ(life.stop(4000000000u, milliseconds::min(), kStart).signal, 15);
  EXPECT_EQ(life.wake_at(), kStart);
}

TEST(Lifecycle, IgnoresWhatDoesNotConcernItsPhase) {
  EXPECT_TRUE(nothing(Lifecycle(kStart, seconds(10)).stop(15, seconds(1), kStart)));
  EXPECT_TRUE(nothing(done().stop(15, seconds(1), kStart)));
  EXPECT_TRUE(nothing(clearing().stop(15, seconds(1), kStart)));
  EXPECT_TRUE(nothing(running().cleared()));
  EXPECT_TRUE(nothing(done().cleared()));
  EXPECT_TRUE(nothing(done().ended(kStart)));
}

std::vector<std::string> cut(const std::vector<std::string>& pieces) {
  std::vector<std::string> lines;
  const auto take = [&](std::string_view line) { lines.emplace_back(line); };
  LineCutter cutter;
  for (const auto& piece : pieces) cutter.feed(piece, take);
  cutter.finish(take);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineCutter, JoinsPiecesAndEndsTheLastLine) {
  EXPECT_EQ(cut({"a\nb", "c", "\n\nd"}), (Lines{"a", "bc", "", "d"}));
  EXPECT_EQ(cut({}), Lines{});
  EXPECT_EQ(cut({"\n"}), Lines{""});
}

TEST(LineCutter, CutsLongLinesTheSameWayHoweverTheyArrive) {
  constexpr std::size_t kMax = LineCutter::kMaxLine;
  const std::string exact(kMax, 'x'), longer(kMax + 1, 'x');
  EXPECT_EQ(cut({exact + "\n\nend\n"}), (Lines{exact, "", "end"}));
  EXPECT_EQ(cut({longer + "\nend\n"}), (Lines{exact, "x", "end"}));
  const std::string text = longer + "\n" + exact + "\n\na\n" + exact + exact + "\nb";
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, kMax - 1, kMax, kMax + 1}) {
    std::vector<std::string> pieces;
    for (std::size_t i = 0; i < text.size(); i += size) pieces.push_back(text.substr(i, size));
    EXPECT_EQ(cut(pieces), cut({text})) << size;
  }
}

TEST(Timestamp, IsRfc3339InUtcWithMicroseconds) {
  using namespace std::chrono;
  EXPECT_EQ(timestamp(sys_days(2026y / November / 22) + 23h + 46min + 53s + 123456us), "2026-11-22T23:46:53.123456Z");
  EXPECT_EQ(timestamp(system_clock::time_point()), "1970-01-01T00:00:00.000000Z");
}

TEST(Notice, TakesReadyAndStatusAndLeavesTheRest) {
  const auto notice = parse_notice("MAINPID=1\nREADY=1\nSTATUS=all well\n");
  EXPECT_TRUE(notice.ready);
  EXPECT_EQ(notice.status, "all well");
  EXPECT_FALSE(parse_notice("READY=0\nREADY=11").ready);
  EXPECT_FALSE(parse_notice("").status);
}

TEST(Notice, AStatusIsShortPrintableText) {
  EXPECT_EQ(parse_notice("STATUS=a\tb\x7f\x1b[1m").status, "a b  [1m");
  EXPECT_EQ(parse_notice("STATUS=gr\xc3\xbc\xc3\x9f\xe2\x82\xac \xf0\x9f\x9a\xa2").status, "grüß€ 🚢");
  EXPECT_EQ(parse_notice("STATUS=\xc3(\xe2\x82\x80\xff").status, "?(\xe2\x82\x80?");
  EXPECT_EQ(parse_notice("STATUS=" + std::string(255, 'x') + "\xc3\xbc").status, std::string(255, 'x'));
  EXPECT_EQ(parse_notice("STATUS=\xe2\x82").status, "??");
}

Result<Options> parse(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  return parse_options(pointers);
}

TEST(Options, AreTakenInBothForms) {
  const auto options = parse({"--id", "shop-1-0", "--socket=/run/x", "--launch-within", "5"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->id, "shop-1-0");
  EXPECT_EQ(options->socket, "/run/x");
  EXPECT_EQ(options->launch_within, milliseconds(5));
  for (const auto& bad :
       {std::vector<std::string>{"x"}, {"--id"}, {"--launch-within", "-1"}, {"--launch-within="}, {"--ids", "a"}}) {
    EXPECT_FALSE(parse(bad));
  }
}

}  // namespace
}  // namespace fleet::shim
