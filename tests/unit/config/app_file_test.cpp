#include <gmock/gmock.h>

#include "config/parse.hpp"
#include "core/config.hpp"

namespace fleet::config::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;
using testing::StartsWith;

std::vector<std::string> problems_of(std::string_view text, Listens listen = Listens::tcp) {
  const auto build = parse_app_file(text, "fleet-app.toml", listen);
  return build ? std::vector<std::string>() : build.error().lines();
}

TEST(AppFile, SaysHowTheBuildIsRun) {
  const auto build = parse_app_file(
      "command = [\"bin/server\", \"{port}\"]\nenv = { MODE = \"production\" }\n[health]\npath = \"/up\"\ninterval = "
      "\"500ms\"\n"
      "[hooks]\npre_start = [\"bin/migrate\"]\npre_start_timeout = \"1m\"\n",
      "fleet-app.toml", Listens::tcp);
  ASSERT_TRUE(build) << build.error().error().text;
  EXPECT_THAT(build->command, ElementsAre("bin/server", "{port}"));
  EXPECT_EQ(build->env.at("MODE"), "production");
  ASSERT_TRUE(build->health);
  EXPECT_EQ(build->health->path, "/up");
  EXPECT_EQ(build->health->interval, 500ms);
  EXPECT_THAT(build->hooks.pre_start.command, ElementsAre("bin/migrate"));
  EXPECT_EQ(build->hooks.pre_start.timeout, 60s);
}

TEST(AppFile, MayBeEmpty) {
  const auto build = parse_app_file("", "fleet-app.toml", Listens::tcp);
  ASSERT_TRUE(build);
  EXPECT_EQ(*build, BuildConfig());
}

TEST(AppFile, SaysNothingOfTheMachineOrOfOtherApps) {
  for (const auto* line : {"user = \"root\"",
                           "group = \"root\"",
                           "memory_max = \"1GiB\"",
                           "open_files = 1",
                           "hosts = [\"a\"]",
                           "path = \"/\"",
                           "listen = \"unix\"",
                           "instances = 64",
                           "env_file = \"/etc/shadow\"",
                           "read_only = false",
                           "source = \"http://evil/\"",
                           "trusted_keys = []",
                           "depends_on = []",
                           "secrets = { A = \"/etc/shadow\" }",
                           "[[route]]\npath = \"/x\"",
                           "[app.other]",
                           "[fleet]",
                           "[proxy]",
                           "[fetch]",
                           "[log]",
                           "[drain]",
                           "[hold]",
                           "[deploy]",
                           "[rules]"}) {
    SCOPED_TRACE(line);
    const auto found = problems_of(line);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_THAT(found[0], testing::MatchesRegex("fleet-app.toml:1:[0-9]+: unknown key .*"));
  }
  EXPECT_THAT(problems_of("env = { LD = \"x\", PORT = \"1\" }"),
              ElementsAre("fleet-app.toml:1:19: env: PORT is set by fleet itself"));
}

TEST(AppFile, IsHeldToPlaceholdersRangesAndSizes) {
  EXPECT_THAT(problems_of("command = [\"{user}\"]"),
              ElementsAre(StartsWith("fleet-app.toml:1:12: command: unknown placeholder")));
  EXPECT_THAT(problems_of("command = [\"{port}\"]", Listens::unix_),
              ElementsAre(StartsWith("fleet-app.toml:1:12: command: unknown")));
  EXPECT_THAT(problems_of("command = []").size(), 1u);
  EXPECT_THAT(problems_of("[health]\ninterval = \"10ms\""),
              ElementsAre(StartsWith("fleet-app.toml:2:12: health.interval: ")));
  EXPECT_THAT(problems_of("[health]\nstart_timeout = \"2h\""),
              ElementsAre(StartsWith("fleet-app.toml:2:17: health.start_timeout: ")));
  EXPECT_THAT(problems_of("[health]\npath = \"/\"\ntcp = true"),
              ElementsAre(StartsWith("fleet-app.toml:3:1: health: path and tcp")));
  EXPECT_THAT(problems_of("[hooks]\npre_start = [\"{port}\"]"),
              ElementsAre(StartsWith("fleet-app.toml:2:14: hooks.pre_start: ")));
  EXPECT_THAT(problems_of(std::string(kMaxAppFile + 1, '#')), ElementsAre("fleet-app.toml: larger than 64 KiB"));
  EXPECT_THAT(problems_of("command = \""), ElementsAre(StartsWith("fleet-app.toml:1:")));
}

TEST(AppFile, NamesFoldersOfAssetsWithinTheRelease) {
  const auto build = parse_app_file("assets = { \"/assets/\" = \"public/assets/\", \"/a/b/\" = \"c\" }", "fleet-app.toml", Listens::tcp);
  ASSERT_TRUE(build);
  EXPECT_THAT(build->assets, ElementsAre(Pair("/a/b/", "c"), Pair("/assets/", "public/assets")));
  const auto wrong = [](const std::string& pair) { return problems_of("assets = { " + pair + " }"); };
  EXPECT_THAT(wrong("\"assets/\" = \"x\""), ElementsAre("fleet-app.toml:1:12: assets: \"assets/\" does not begin with /"));
  for (const auto* prefix : {"/", "//", "/assets", ""}) {
    EXPECT_THAT(wrong("\"" + std::string(prefix) + "\" = \"x\""),
                ElementsAre("fleet-app.toml:1:12: assets: \"" + std::string(prefix) +
                            "\" does not begin and end with / (such as \"/assets/\")"));
  }
  for (const auto* prefix : {"/a//b/", "/a/../b/", "/a%20/", "/.well-known/", "/a/?x/"}) {
    EXPECT_THAT(wrong("\"" + std::string(prefix) + "\" = \"x\""), ElementsAre(StartsWith("fleet-app.toml:1:12: assets: ")))
        << prefix;
  }
  for (const auto* folder : {"\"/etc\"", "\"..\"", "\"a/../../b\"", "\"./a\"", "\"\"", "\"a//b\"", "7", "\"a\\u0000b\""}) {
    EXPECT_THAT(wrong("\"/a/\" = " + std::string(folder)), ElementsAre(StartsWith("fleet-app.toml:1:20: assets.\"/a/\": ")))
        << folder;
  }
  std::string many;
  for (int i = 0; i < 17; ++i) many += (i == 0 ? "" : ", ") + std::string("\"/a") + std::to_string(i) + "/\" = \"x\"";
  EXPECT_THAT(wrong(many), ElementsAre("fleet-app.toml:1:10: assets: more than 16 paths"));
  EXPECT_THAT(problems_of("assets = \"public\""), ElementsAre(StartsWith("fleet-app.toml:1:10: assets: expected a table of paths")));
}

TEST(AppFile, GivesWayToTheOperator) {
  BuildConfig build;
  build.command = {"build"};
  build.env = {{"A", "build"}, {"B", "build"}};
  build.assets = {{"/a/", "build"}, {"/b/", "build"}};
  build.health.emplace().path = "/build";
  build.hooks.pre_start.command = {"build"};
  build.hooks.pre_switch.command = {"build"};
  AppConfig app;
  app.name = "shop";
  auto all = merged(app, build);
  EXPECT_THAT(all.command, ElementsAre("build"));
  EXPECT_EQ(all.health.path, "/build");
  EXPECT_EQ(all.env.at("A"), "build");

  app.command = {"own"};
  app.env = {{"A", "own"}};
  app.assets = {{"/a/", "own"}};
  app.health_given = true;
  app.hooks.pre_start.command = {"own"};
  app.hooks.pre_start.timeout = 1s;
  all = merged(app, build);
  EXPECT_THAT(all.command, ElementsAre("own"));
  EXPECT_EQ(all.health.path, "/");
  EXPECT_EQ(all.env.at("A"), "own");
  EXPECT_EQ(all.env.at("B"), "build");
  EXPECT_THAT(all.assets, ElementsAre(Pair("/a/", "own"), Pair("/b/", "build")));
  EXPECT_THAT(all.hooks.pre_start.command, ElementsAre("own"));
  EXPECT_EQ(all.hooks.pre_start.timeout, 1s);
  EXPECT_THAT(all.hooks.pre_switch.command, ElementsAre("build"));
  EXPECT_EQ(merged(app, BuildConfig()), app);
}

}  // namespace
}  // namespace fleet::config::test
