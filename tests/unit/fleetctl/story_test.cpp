#include "story.hpp"

#include <gmock/gmock.h>

namespace fleet::ctl {
namespace {

using api::DeploymentKind;
using api::DeploymentState;
using api::DeploymentView;
using api::EventType;
using api::EventView;
using api::Outcome;
using api::Phase;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

EventView event(EventType type, std::string time, std::string message = "") {
  EventView view;
  view.type = type;
  view.time = "2026-11-22T23:31:" + time + "Z";
  view.app = "shop";
  view.deployment = 17;
  view.message = std::move(message);
  return view;
}

EventView phase(Phase entered, std::string time) {
  EventView view = event(EventType::deployment_phase, std::move(time));
  view.data.phase = entered;
  return view;
}

std::vector<std::string> tell(Story& story, const std::vector<EventView>& events) {
  std::vector<std::string> all;
  for (const auto& one : events) {
    for (auto& line : story.tell(one)) all.push_back(std::move(line));
  }
  return all;
}

DeploymentView deployment() {
  DeploymentView view;
  view.id = 17;
  view.app = "shop";
  view.state = DeploymentState::succeeded;
  view.outcome = Outcome::changed;
  view.release = 43;
  view.previous_release = 42;
  view.receipt.emplace().requests = 12345;
  return view;
}

TEST(Story, TellsEachPhaseOnceItIsOverWithItsTime) {
  Story story({});
  EXPECT_THAT(
      tell(story,
           {event(EventType::deployment_started, "10.000", "deploy of /srv/shop.zip"), phase(Phase::prepare, "10.000"),
            phase(Phase::warm, "10.412"), event(EventType::instance_ready, "11.000", "shop-v43-9 is in rotation"),
            phase(Phase::commit, "11.612"), phase(Phase::drain, "11.620"), phase(Phase::retire, "11.850"),
            phase(Phase::done, "12.950"), event(EventType::deployment_finished, "12.950")}),
      ElementsAre("deploy of /srv/shop.zip, deployment 17", "  prepare  412 ms", "    shop-v43-9 is in rotation",
                  "  warm     1.2 s", "  commit   8 ms", "  drain    230 ms", "  retire   1.1 s"));
}

TEST(Story, NamesTheInstanceAndItsExitWhereTheMessageDoesNot) {
  Story story({});
  auto exited = event(EventType::instance_exited, "11.000", "ended");
  exited.data.instance = "shop-v43-9";
  exited.data.exit_code = 3;
  EXPECT_THAT(story.tell(exited), ElementsAre("    shop-v43-9: ended (exit code 3)"));
  exited.data.signal = 11;
  exited.message = "shop-v43-9 ended";
  EXPECT_THAT(story.tell(exited), ElementsAre("    shop-v43-9 ended (signal 11)"));
}

TEST(Story, MarksPhasesOnATerminal) {
  Story story({.colour = true, .utf8 = true});
  tell(story, {phase(Phase::prepare, "10.000")});
  EXPECT_THAT(story.tell(phase(Phase::warm, "10.001")), ElementsAre("  \x1b[32m✓ \x1b[0mprepare  1 ms"));
}

TEST(Story, ShowsProgressForTheMoment) {
  Story story({});
  EXPECT_EQ(story.moment(milliseconds(0)), "");
  tell(story, {phase(Phase::prepare, "10.000")});
  auto progress = event(EventType::deployment_progress, "10.100");
  progress.data.step = api::Step::download;
  progress.data.bytes = 5'000'000;
  progress.data.total = 10'000'000;
  EXPECT_THAT(story.tell(progress), IsEmpty());
  EXPECT_EQ(story.moment(*parse_time("2026-11-22T23:31:12.000Z")),
            "  prepare  2.0 s  download ##########.......... 5.0 MB of 10 MB");
  tell(story, {phase(Phase::warm, "12.000")});
  EXPECT_EQ(story.moment(*parse_time("2026-11-22T23:31:12.500Z")), "  warm     500 ms");
  tell(story, {event(EventType::deployment_finished, "13.000")});
  EXPECT_EQ(story.moment(*parse_time("2026-11-22T23:31:14.000Z")), "");
}

TEST(Story, TellsProgressNowAndThenWhereThereIsNoTerminal) {
  Story story({}, true);
  tell(story, {phase(Phase::prepare, "10.000")});
  auto progress = event(EventType::deployment_progress, "10.100");
  progress.data.step = api::Step::download;
  progress.data.bytes = 5'000'000;
  progress.data.total = 10'000'000;
  EXPECT_THAT(story.tell(progress), IsEmpty()) << "it may be over in a moment";
  progress.time = "2026-11-22T23:31:15.200Z";
  progress.data.rate = 1'000'000;
  progress.data.remaining_ms = milliseconds(5000);
  EXPECT_THAT(story.tell(progress), ElementsAre("    download 5.0 MB of 10 MB, 1.0 MB/s, 5.0 s left"));
  progress.time = "2026-11-22T23:31:17.000Z";
  EXPECT_THAT(story.tell(progress), IsEmpty());
}

TEST(LastLine, SaysWhatChangedAndHowToUndoIt) {
  EXPECT_EQ(last_line(deployment()),
            "shop is on v43 (was v42), 0 of 12,345 requests failed · undo: fleetctl rollback --app shop");
  auto view = deployment();
  view.kind = DeploymentKind::rollback;
  view.release = 42, view.previous_release = 43;
  EXPECT_EQ(last_line(view),
            "shop is back on v42 (was v43), 0 of 12,345 requests failed · undo: fleetctl rollback 43 --app shop");
  view.kind = DeploymentKind::restart;
  EXPECT_EQ(last_line(view), "shop runs on new instances of v42, 0 of 12,345 requests failed");
}

TEST(LastLine, MakesNoFigureOfNoRequests) {
  auto view = deployment();
  view.receipt->requests = 0;
  EXPECT_EQ(last_line(view),
            "shop is on v43 (was v42), no requests came meanwhile · undo: fleetctl rollback --app shop");
}

TEST(LastLine, OfTheFirstReleaseHasNothingToUndo) {
  auto view = deployment();
  view.previous_release.reset();
  view.receipt.reset();
  EXPECT_EQ(last_line(view), "shop is on v43, its first release");
}

TEST(LastLine, SaysWhatDidNotChange) {
  auto view = deployment();
  view.outcome = Outcome::already_current;
  EXPECT_EQ(last_line(view), "shop is on v43 already, nothing changed");
  view.state = DeploymentState::failed;
  view.outcome = Outcome::kept_old;
  EXPECT_EQ(last_line(view), "shop is still on v42, nothing changed");
  view.previous_release.reset();
  EXPECT_EQ(last_line(view), "shop still runs nothing");
  view = deployment();
  view.outcome = Outcome::rolled_back;
  view.receipt->failed = 1;
  EXPECT_EQ(last_line(view), "shop was switched to v43 and then rolled back to v42, 1 of 12,346 requests failed");
}

TEST(Receipt, GivesTimesAndFigures) {
  auto view = deployment();
  view.phases = {{Phase::prepare, milliseconds(412)},
                 {Phase::warm, milliseconds(1200)},
                 {Phase::commit, milliseconds(8)},
                 {Phase::drain, milliseconds(230)},
                 {Phase::retire, milliseconds(1100)}};
  view.receipt->retried = 2;
  view.receipt->longest_drain_ms = milliseconds(230);
  EXPECT_THAT(receipt(view, {}),
              ElementsAre("time      3.0 s: prepare 412 ms, warm 1.2 s, commit 8 ms, drain 230 ms, retire 1.1 s",
                          "requests  12,345, 0 failed, 2 retried, 0 held · longest drain 230 ms"));
}

TEST(Failure, GivesReasonExitAndTheLastLines) {
  auto view = deployment();
  view.state = DeploymentState::failed;
  view.error.emplace();
  view.error->text = "shop-v43-9 ended before it was healthy";
  view.error->exit_code = 7;
  view.error->log_tail = {"starting", "cannot open \x1b[31mdb"};
  EXPECT_THAT(failure(view, {}),
              ElementsAre("deploy of shop failed: shop-v43-9 ended before it was healthy (exit code 7)",
                          "its last lines were:", "  | starting", "  | cannot open \\x1b[31mdb"));
  view.state = DeploymentState::aborted;
  view.error.reset();
  EXPECT_THAT(failure(view, {}), ElementsAre("deploy of shop aborted"));
  EXPECT_THAT(failure(deployment(), {}), IsEmpty());
}

TEST(Detached, SaysHowToFollowAndHowToStop) {
  EXPECT_EQ(how_to_follow("detached", "shop", 17),
            "detached: deployment 17 of shop goes on · follow: fleetctl follow 17 · stop: fleetctl abort 17");
}

TEST(EventLine, IsOneLineWithTimeAppTypeAndMessage) {
  EXPECT_EQ(event_line(event(EventType::app_state, "10.000", "shop is\nserving"), {}),
            "2026-11-22T23:31:10.000Z shop     app.state           shop is\\x0aserving");
}

TEST(LogLine, NamesItsInstance) {
  EXPECT_EQ(log_line({"shop-v43-9", 43, "hello\x1b[2J"}, {}), "shop-v43-9 | hello\\x1b[2J");
}

}  // namespace
}  // namespace fleet::ctl
