// Holding an app's requests, and telling the workers whether to wait for it.
#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class HoldTest : public testing::Test {
 protected:
  Route route() const { return route_of(app.state, app.config); }
  AppUnderTest app;
};

TEST_F(HoldTest, PublishesItAndItsEnd) {
  app.serve("one");
  app.feed(Hold{90s, "uid 0"});
  EXPECT_THAT(app.did(), ElementsAre("publish " + std::to_string(app.generation)));
  EXPECT_EQ(route().held_until, 90s);
  app.feed(Unhold{"asked for by uid 0"});
  EXPECT_THAT(app.did(), ElementsAre("publish " + std::to_string(app.generation)));
  EXPECT_EQ(route().held_until, 0s);
}

TEST_F(HoldTest, DoesNothingTwice) {
  app.serve("one");
  app.feed(Unhold{"asked for"});
  EXPECT_THAT(app.actions, testing::IsEmpty());
  app.feed(Hold{90s, "uid 0"});
  app.feed(Hold{90s, "uid 0"});
  EXPECT_THAT(app.actions, testing::IsEmpty());
  app.feed(Hold{100s, "uid 0"});
  EXPECT_EQ(route().held_until, 100s) << "it may be made longer";
}

TEST_F(HoldTest, SurvivesARestartOfFleetdAndNotOneOfTheMachine) {
  app.serve("one");
  app.feed(Hold{90s, "uid 0"});
  app.come_back();
  EXPECT_EQ(route().held_until, 90s);
  app.come_back({}, true);
  EXPECT_EQ(route().held_until, 0s) << "its clock began anew";
}

TEST_F(HoldTest, EndsWithTheApp) {
  app.serve("one");
  app.feed(Hold{90s, "uid 0"});
  app.feed(Removed{});
  EXPECT_EQ(route().held_until, 0s);
}

TEST_F(HoldTest, DoesNotHoldUpADeploy) {
  app.serve("one");
  app.feed(Hold{90s, "uid 0"});
  app.serve("two");
  EXPECT_EQ(app.state.current, 2u);
  EXPECT_EQ(route().held_until, 90s);
}

TEST_F(HoldTest, AwaitsNothingBeforeTheFirstDeployHasSwitched) {
  EXPECT_FALSE(route().awaited);
  app.deploy("one");
  EXPECT_FALSE(route().awaited);
  app.warm_up();
  EXPECT_TRUE(route().awaited);
}

TEST_F(HoldTest, AwaitsACrashedInstanceForAsLongAsItIsSoonStartedAgain) {
  app.serve("one");
  bool soon = true;
  for (int crashes = 1; crashes <= 6; ++crashes) {
    app.feed(Ended{app.state.instances.at(0).id, "exited with code 1", 1, {}});
    const auto pause = backoff_delay(app.state.instances.at(0).crashes);
    soon = pause <= app.config.hold.timeout;
    EXPECT_EQ(route().awaited, soon) << pause.count() << "ms";
    app.wait(pause);
    EXPECT_TRUE(route().awaited) << "it starts";
  }
  EXPECT_FALSE(soon);
}

TEST_F(HoldTest, AwaitsNothingThatLeaves) {
  app.serve("one");
  app.feed(Removed{});
  EXPECT_FALSE(route().awaited);
}

}  // namespace
}  // namespace fleet::plan
