#include <gtest/gtest.h>

#include <cstdlib>

#include "instances.hpp"

namespace fleet {
namespace {

struct Launching : ::testing::Test {
  Launching() {
    paths.state = "/state";
    paths.run = "/run/fleet";
    app.name = "shop";
    app.command = {"./bin/server", "--port", "{port}", "{release}", "{release_dir}/x", "{instance}", "{data_dir}", "{{}"};
    instance.id = "shop-v4-9";
    instance.release = 4;
    instance.port = 20123;
    instance.sha256 = std::string(64, 'a');
  }
  Paths paths;
  AppConfig app;
  plan::Instance instance;
};

TEST_F(Launching, ExpandsThePlaceholdersOfTheCommand) {
  const auto launch = launch_of(paths, app, instance);
  ASSERT_TRUE(launch) << launch.error().text;
  EXPECT_EQ(launch->argv, (std::vector<std::string>{"./bin/server", "--port", "20123", "v4", "/state/releases/shop/4/x",
                                                    "shop-v4-9", "/state/data/shop", "{}"}));
}

TEST_F(Launching, RunsInTheReleaseAndLogsByInstance) {
  const auto launch = launch_of(paths, app, instance);
  EXPECT_EQ(launch->id, "shop-v4-9");
  EXPECT_EQ(launch->cwd, "/state/releases/shop/4");
  EXPECT_EQ(launch->log_file, "/state/log/shop/shop-v4-9.log");
  EXPECT_EQ(launch->notify_socket, "");
}

TEST_F(Launching, TellsTheProgramWhoItIs) {
  const auto env = launch_of(paths, app, instance)->env;
  EXPECT_EQ(env.at("PORT"), "20123");
  EXPECT_EQ(env.at("FLEET_APP"), "shop");
  EXPECT_EQ(env.at("FLEET_RELEASE"), "v4");
  EXPECT_EQ(env.at("FLEET_SHA256"), std::string(64, 'a'));
  EXPECT_EQ(env.at("FLEET_INSTANCE"), "shop-v4-9");
  EXPECT_EQ(env.at("HOME"), "/state/data/shop");
}

TEST_F(Launching, AHookIsRunAsItsAppWithTheAddressOfWhatItIsAbout) {
  app.env = {{"APP_MODE", "production"}};
  app.hooks.pre_switch.command = {"bin/smoke", "http://127.0.0.1:{port}/", "{instance}"};
  app.hooks.pre_switch.timeout = std::chrono::seconds(7);
  HookSetting hook;
  hook.id = "shop-v4-10-pre_switch";
  hook.hook = Hook::pre_switch;
  hook.setting = instance;
  hook.deployment = 3;
  hook.input = "{}";
  const auto launch = hook_launch_of(paths, app, hook);
  ASSERT_TRUE(launch) << launch.error().text;
  EXPECT_EQ(launch->argv, (std::vector<std::string>{"bin/smoke", "http://127.0.0.1:20123/", "shop-v4-9"}));
  EXPECT_EQ(launch->id, hook.id);
  EXPECT_EQ(launch->cwd, "/state/releases/shop/4");
  EXPECT_EQ(launch->log_file, "/state/log/shop/shop-v4-10-pre_switch.log");
  EXPECT_EQ(launch->input, "{}");
  EXPECT_EQ(launch->time_limit, std::chrono::seconds(7));
  EXPECT_EQ(launch->env.at("APP_MODE"), "production");
  EXPECT_EQ(launch->env.at("PORT"), "20123");
  EXPECT_EQ(launch->env.at("FLEET_HOOK"), "pre_switch");
  EXPECT_EQ(launch->env.at("FLEET_DEPLOYMENT"), "3");
}

TEST_F(Launching, AHookOfNoReleaseIsRunInTheDataFolder) {
  app.hooks.on_failure.command = {"/usr/local/bin/page", "{release_dir}"};
  HookSetting hook;
  hook.id = "shop-v0-1-on_failure";
  hook.hook = Hook::on_failure;
  const auto launch = hook_launch_of(paths, app, hook);
  ASSERT_TRUE(launch) << launch.error().text;
  EXPECT_EQ(launch->cwd, "/state/data/shop");
  EXPECT_FALSE(launch->env.contains("PORT"));
  EXPECT_FALSE(launch->env.contains("FLEET_INSTANCE"));
}

TEST_F(Launching, TellsTheProgramItsSocketInPlaceOfAPort) {
  app.command = {"./bin/server", "{socket}"};
  instance.port = 0;
  instance.socket = paths.http_socket("shop", instance.id);
  const auto launch = launch_of(paths, app, instance);
  EXPECT_EQ(launch->argv.at(1), "/run/fleet/http/shop/v4-9");
  EXPECT_EQ(launch->env.at("FLEET_SOCKET_PATH"), "/run/fleet/http/shop/v4-9");
  EXPECT_FALSE(launch->env.contains("PORT"));
}

TEST_F(Launching, TheConfiguredEnvironmentMayChangeAllButThat) {
  app.env = {{"APP_MODE", "production"}, {"PATH", "/opt/bin"}, {"PORT", "1"}, {"FLEET_APP", "other"}};
  const auto env = launch_of(paths, app, instance)->env;
  EXPECT_EQ(env.at("APP_MODE"), "production");
  EXPECT_EQ(env.at("PATH"), "/opt/bin");
  EXPECT_EQ(env.at("PORT"), "20123");
  EXPECT_EQ(env.at("FLEET_APP"), "shop");
}

TEST_F(Launching, PassesOnNothingElseOfFleetdsOwnEnvironment) {
  ::setenv("FLEET_TEST_SECRET", "x", 1);
  ::setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
  const auto env = launch_of(paths, app, instance)->env;
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(env.contains("FLEET_TEST_SECRET"));
  EXPECT_FALSE(env.contains("NOTIFY_SOCKET"));
}

TEST_F(Launching, AProgramThatSaysWhenItIsReadyIsToldWhere) {
  app.health.kind = HealthKind::notify;
  EXPECT_EQ(launch_of(paths, app, instance)->notify_socket, "/run/fleet/notify/shop-v4-9");
}

TEST_F(Launching, ACheckRunsAsTheProgramDoesWithItsOwnPlaceholders) {
  app.health.kind = HealthKind::command;
  app.health.command = {"./check", "{port}"};
  const auto check = check_of(paths, app, instance);
  ASSERT_TRUE(check);
  EXPECT_EQ(check->argv, (std::vector<std::string>{"./check", "20123"}));
  EXPECT_EQ(check->cwd, "/state/releases/shop/4");
  EXPECT_EQ(check->env.at("PORT"), "20123");
}

TEST_F(Launching, AnUnknownPlaceholderIsAnError) {
  app.command = {"./server", "{prot}"};
  const auto launch = launch_of(paths, app, instance);
  ASSERT_FALSE(launch);
  EXPECT_NE(launch.error().text.find("prot"), std::string::npos);
}

TEST_F(Launching, EveryAppAndReleaseHasItsOwnPlaces) {
  EXPECT_NE(paths.release("a", 1), paths.release("a", 2));
  EXPECT_NE(paths.data("a"), paths.data("b"));
  EXPECT_NE(paths.shim_socket("a"), paths.notify_socket("a"));
  EXPECT_EQ(paths.access_log("shop"), "/state/log/shop/access.log");
  EXPECT_EQ(paths.api_socket(), "/run/fleet/fleetd.sock");
}

}  // namespace
}  // namespace fleet
