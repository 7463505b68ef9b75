#include "api/event_log.hpp"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>

namespace fleet::api {
namespace {

using ::testing::ElementsAre;

EventView event(EventType type, DeploymentId deployment = 0) {
  EventView view;
  view.type = type;
  if (deployment != 0) view.deployment = deployment;
  return view;
}

std::vector<std::string> drain(EventReader& reader) {
  std::vector<std::string> seen;
  while (const auto next = reader.poll())
    seen.push_back(std::string(name(next->type)) + " " + std::to_string(next->seq));
  return seen;
}

class EventLogTest : public ::testing::Test {
 protected:
  net::asio::io_context io;
  EventLog log{io, 4};
};

TEST_F(EventLogTest, NumbersWhatItKeepsAndReplaysItFromTheAskedPlace) {
  for (int i = 0; i < 3; ++i) log.publish(event(EventType::instance_ready));
  EventReader all(log, {}), rest(log, {.since = 2});
  EXPECT_THAT(drain(all), ElementsAre("instance.ready 1", "instance.ready 2", "instance.ready 3"));
  EXPECT_THAT(drain(rest), ElementsAre("instance.ready 3"));
  log.publish(event(EventType::app_state));
  EXPECT_THAT(drain(all), ElementsAre("app.state 4"));
}

TEST_F(EventLogTest, GivesEachReaderOnlyWhatItWants) {
  log.publish(event(EventType::deployment_started, 1));
  log.publish(event(EventType::deployment_started, 2));
  log.publish(event(EventType::deployment_finished, 1));
  EventReader one(log, {.deployment = 1});
  EXPECT_THAT(drain(one), ElementsAre("deployment.started 1", "deployment.finished 3"));
}

TEST_F(EventLogTest, KeepsOnlyTheNewestProgressAndGivesItNoNumber) {
  log.publish(event(EventType::deployment_started, 1));
  EventReader live(log, {.since = 1});
  for (int i = 0; i < 100; ++i) log.publish(event(EventType::deployment_progress, 1));
  EventReader late(log, {});
  EXPECT_THAT(drain(live), ElementsAre("deployment.progress 1"));
  EXPECT_THAT(drain(late), ElementsAre("deployment.started 1", "deployment.progress 1"));
  EXPECT_EQ(log.last_seq(), 1u);
}

TEST_F(EventLogTest, TellsASlowReaderThatItMissedSomething) {
  EventReader slow(log, {});
  for (int i = 0; i < 6; ++i) log.publish(event(EventType::app_state));
  EXPECT_THAT(drain(slow), ElementsAre("gap 0", "app.state 3", "app.state 4", "app.state 5", "app.state 6"));
}

TEST_F(EventLogTest, TellsAReaderThatComesBackTooLate) {
  for (int i = 0; i < 6; ++i) log.publish(event(EventType::app_state));
  EventReader returned(log, {.since = 1}), in_time(log, {.since = 2});
  EXPECT_THAT(drain(returned), ElementsAre("gap 1", "app.state 3", "app.state 4", "app.state 5", "app.state 6"));
  EXPECT_EQ(drain(in_time).front(), "app.state 3");
}

TEST_F(EventLogTest, GoesOnNumberingAfterARestart) {
  EventView saved = event(EventType::app_state);
  saved.seq = 41;
  log.restore({saved});
  EXPECT_EQ(log.publish(event(EventType::app_state)).seq, 42u);
  EventReader known(log, {.since = 40}), lost(log, {.since = 7});
  EXPECT_THAT(drain(known), ElementsAre("app.state 41", "app.state 42"));
  EXPECT_EQ(drain(lost).front(), "gap 7");
}

TEST_F(EventLogTest, StartsAgainForAReaderFromBeforeTheLogWasLost) {
  log.publish(event(EventType::app_state));
  EventReader reader(log, {.since = 900});
  EXPECT_THAT(drain(reader), ElementsAre("gap 0", "app.state 1"));
}

TEST_F(EventLogTest, WakesAReaderThatWaits) {
  EventReader reader(log, {});
  bool woken = false;
  net::asio::co_spawn(io, reader.wait(std::chrono::hours(1)), [&](std::exception_ptr) { woken = true; });
  io.poll();
  EXPECT_FALSE(woken);
  log.publish(event(EventType::app_state));
  io.restart();
  io.poll();
  EXPECT_TRUE(woken);
}

TEST_F(EventLogTest, DoesNotKeepAStoppedReaderWaiting) {
  EventReader reader(log, {});
  reader.stop();
  bool over = false;
  net::asio::co_spawn(io, reader.wait(std::chrono::hours(1)), [&](std::exception_ptr) { over = true; });
  io.poll();
  EXPECT_TRUE(over);
}

}  // namespace
}  // namespace fleet::api
