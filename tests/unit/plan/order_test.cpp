// Apps that depend on each other: one waits for those it depends on when nothing runs, for so long.
#include <gmock/gmock.h>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct Order : testing::Test {
  AppUnderTest app{2};
  Order() {
    app.config.start_wait = 30s;
    app.serve("a");
  }
  void boot(std::vector<std::string> awaits) { app.come_back({}, true, std::move(awaits)); }
  bool starting() const { return !app.in(InstancePhase::starting).empty(); }
};

TEST_F(Order, AfterARestartOfTheMachineAnAppWithoutDependenciesStartsAtOnce) {
  boot({});
  app.wait(0ms);
  EXPECT_EQ(app.in(InstancePhase::starting).size(), 2u);
}

TEST_F(Order, AnAppWaitsUntilAllThatItDependsOnAreReady) {
  boot({"db", "mail"});
  ASSERT_TRUE(app.told(ReportKind::app_waits));
  EXPECT_EQ(app.told(ReportKind::app_waits)->message, "shop waits for db, mail before it is started");
  app.wait(29s);
  EXPECT_FALSE(starting());
  app.feed(Awaits{{"mail"}});
  app.wait(500ms);
  EXPECT_FALSE(starting());
  EXPECT_THAT(app.state.awaits, ElementsAre("mail"));
  app.feed(Awaits{{}});
  EXPECT_EQ(app.in(InstancePhase::starting).size(), 2u);
  EXPECT_THAT(app.state.awaits, IsEmpty());
  EXPECT_EQ(app.told(ReportKind::app_starts_anyway), nullptr);
}

TEST_F(Order, AnAppStartsAnywayWhenItHasWaitedLongEnoughAndSaysSo) {
  boot({"db"});
  app.wait(30s - 1ms);
  ASSERT_FALSE(starting());
  app.wait(1ms);
  EXPECT_EQ(app.in(InstancePhase::starting).size(), 2u);
  const auto* told = app.told(ReportKind::app_starts_anyway);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->message, "shop is started though db is not ready after 30s");
  app.feed(Awaits{{}});
  EXPECT_EQ(app.in(InstancePhase::starting).size(), 2u) << "once";
}

TEST_F(Order, RequestsOfAnAppThatWaitsAreHeld) {
  boot({"db"});
  EXPECT_TRUE(route_of(app.state, app.config).awaited);
  EXPECT_EQ(health_of(app.state), "starting");
}

TEST_F(Order, AFleetdThatComesBackMeanwhileGoesOnWaiting) {
  boot({"db"});
  app.wait(10s);
  app.come_back({});
  app.wait(19s);
  EXPECT_FALSE(starting());
  app.wait(1s);
  EXPECT_TRUE(starting());
}

TEST_F(Order, MoreInstancesThatAreConfiguredMeanwhileWaitToo) {
  boot({"db"});
  app.config.instances = 3;
  app.feed(Configured{});
  app.wait(1s);
  EXPECT_FALSE(starting());
  app.feed(Awaits{{}});
  EXPECT_EQ(app.in(InstancePhase::starting).size(), 3u);
}

TEST_F(Order, ADeployDoesNotWaitAndEndsTheWaiting) {
  boot({"db"});
  app.deploy("b");
  EXPECT_TRUE(starting());
  app.warm_up();
  app.finish_rollout();
  EXPECT_THAT(app.state.awaits, IsEmpty());
  EXPECT_EQ(app.ready().size(), 2u);
  EXPECT_EQ(app.state.instances.size(), 2u);
}

TEST_F(Order, WhatRunsOnIsNotTouchedByDependencies) {
  auto ready = app.ready();
  app.come_back(ready, false);
  EXPECT_EQ(app.ready(), ready);
}

TEST_F(Order, OthersMayStartOnceOneInstanceIsInRotation) {
  EXPECT_TRUE(lets_others_start(app.state));
  boot({});
  EXPECT_FALSE(lets_others_start(app.state));
  app.wait(0ms);
  app.start_all();
  EXPECT_FALSE(lets_others_start(app.state));
  app.pass(app.in(InstancePhase::warming).front());
  EXPECT_TRUE(lets_others_start(app.state));
}

TEST(StopOrder, PutsEachAppBeforeThoseItDependsOnAndOthersTogether) {
  const auto app = [](std::string name, std::vector<std::string> depends_on) {
    AppConfig config;
    config.name = std::move(name);
    config.depends_on = std::move(depends_on);
    return config;
  };
  EXPECT_THAT(stop_order({app("db", {}), app("mail", {}), app("proxy", {"db"}), app("shop", {"mail", "proxy"})}),
              ElementsAre(ElementsAre("shop"), ElementsAre("mail", "proxy"), ElementsAre("db")));
  EXPECT_THAT(stop_order({app("a", {}), app("b", {})}), ElementsAre(ElementsAre("a", "b")));
  EXPECT_THAT(stop_order({}), IsEmpty());
  EXPECT_THAT(stop_order({app("a", {"b"}), app("b", {"a"}), app("c", {"a"})}),
              ElementsAre(ElementsAre("c"), ElementsAre("a", "b")));
}

}  // namespace
}  // namespace fleet::plan
