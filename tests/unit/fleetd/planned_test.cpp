#include "planned.hpp"

#include <gtest/gtest.h>

namespace fleet {
namespace {

struct Plans : ::testing::Test {
  Plans() {
    state.name = app.name = "shop";
    state.current = 3;
    state.current_sha256 = "aa";
    app.command = {"bin/server"};
    app.hosts = {"shop.example.com"};
    app.run.user = "shop";
    plan::Instance instance;
    instance.release = 3;
    instance.environment = "e1";
    instance.command = app.command;
    instance.run = app.run;
    state.instances = {instance, instance};
    fetched.sha256 = "aa";
    fetched.url = "https://ci/shop.zip";
  }
  api::PlanView view() const { return planned_view({state, app, then ? *then : app, {}, fetched, environment}); }
  std::string changes() const {
    std::string text;
    for (const auto& one : view().changes) text += one.what + ": " + one.was + " -> " + one.will + "\n";
    return text;
  }
  plan::AppState state;
  AppConfig app;
  std::optional<AppConfig> then;
  wire::FetchDone fetched;
  std::string environment = "e1";
};

TEST_F(Plans, OfWhatRunsAlreadyChangeNothing) {
  EXPECT_EQ(changes(), "");
  EXPECT_EQ(view().release, 3u);
  EXPECT_EQ(view().route, "shop.example.com /");
}

TEST_F(Plans, OfWhatRunsWithoutItsFilesMakeThemAnew) {
  const auto view = planned_view({state, app, app, {}, fetched, environment, true});
  ASSERT_EQ(view.changes.size(), 1u);
  EXPECT_EQ(view.changes[0].what + ": " + view.changes[0].was + " -> " + view.changes[0].will, "files: gone -> made anew");
}

TEST_F(Plans, TellWhatDiffers) {
  then = app;
  then->command = {"bin/server", "-v"};
  then->run.memory_max = 512u << 20;
  then->health.path = "/up";
  then->hooks.pre_start.command = {"bin/migrate"};
  then->assets = {{"/assets/", "public/assets"}};
  fetched.sha256 = "bb";
  fetched.version = "2.0";
  environment = "e2";
  const auto text = changes();
  for (const auto* part : {"build: aa -> bb (2.0)\n", "command: [\"bin/server\"] -> [\"bin/server\",\"-v\"]\n",
                           "environment: e1 -> e2\n", "resources: user shop -> user shop, memory 512MiB\n",
                           "health: http /, ", "hook pre_start:  -> [\"bin/migrate\"] within 5m\n",
                           "assets:  -> /assets/ in public/assets\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
}

TEST_F(Plans, OfAnAppThatRunsNothingTellAll) {
  state = {};
  state.name = "shop";
  const auto text = changes();
  EXPECT_NE(text.find("build:  -> aa\ncommand:  -> [\"bin/server\"]\nenvironment:  -> e1\nresources:  -> user shop\n"),
            std::string::npos)
      << text;
  EXPECT_FALSE(view().release);
}

TEST_F(Plans, SayNothingOfWhatAnEarlierFleetdDidNotRecord) {
  for (auto& instance : state.instances) instance.environment.clear(), instance.command.clear();
  environment = "e2";
  EXPECT_EQ(changes(), "");
}

}  // namespace
}  // namespace fleet
