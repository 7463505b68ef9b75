#include "config/parse.hpp"

#include <gmock/gmock.h>

#include <random>

#include "config/keys.hpp"
#include "read.hpp"

namespace fleet::config::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

TEST(Configuration, ReadsTheShopAsWritten) {
  const auto config = parse(file("tests/fixtures/config/shop.toml"), "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text;

  Config expected;
  expected.state_dir = "/var/lib/fleet";
  expected.run_dir = "/run/fleet";
  expected.api.listen = Endpoint{"127.0.0.1", 7070};
  expected.api.token_file = "/etc/fleet/token";
  expected.proxy.workers = 2;
  expected.proxy.http = {{"0.0.0.0", 80}, {"::", 80}};
  expected.proxy.https = {{"0.0.0.0", 443}, {"::", 443}};
  expected.tls = {{"/etc/fleet/tls/shop.pem", "/etc/fleet/tls/shop.key"}};
  AppConfig shop;
  shop.name = "shop";
  shop.hosts = {"shop.example.com"};
  shop.path = "/";
  shop.https_redirect = HttpsRedirect::same_uri;
  shop.command = {"./bin/server", "--port", "{port}"};
  shop.env = {{"APP_MODE", "production"}};
  shop.instances = 2;
  shop.rewrite_redirects = true;
  shop.health.kind = HealthKind::http;
  shop.health.path = "/health";
  shop.health.interval = 1s;
  shop.health.timeout = 2s;
  shop.health.healthy = 2;
  shop.health.unhealthy = 3;
  shop.health.start_timeout = 60s;
  shop.health_given = true;
  shop.drain.timeout = 30s;
  shop.drain.stop_signal = "SIGTERM";
  shop.drain.stop_timeout = 10s;
  expected.apps = {shop};
  EXPECT_EQ(*config, expected);
}

TEST(Configuration, ReadsWhatConcernsClientsAndProxiesBefore) {
  const auto config = parse(
      "[proxy]\nhttp = [\"0.0.0.0:80\", \"[::]:8080\"]\nproxy_protocol = [\"[::]:8080\"]\n"
      "trusted = [\"10.0.0.0/8\", \"2001:DB8::1\"]\nforwarded_header = \"forwarded\"\nready_path = \"/.fleet/ready\"\n"
      "[proxy.timeouts]\nhead = \"5s\"\nkeep_alive = \"2m\"\n[proxy.limits]\nconnections = 1000\nmin_rate = 0\n",
      "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text;
  ProxySettings expected;
  expected.proxy_protocol = {{"::", 8080}};
  expected.trusted = {"10.0.0.0/8", "2001:db8::1/128"};
  expected.forwarded_header = ForwardedHeader::forwarded;
  expected.ready_path = "/.fleet/ready";
  expected.timeouts.head = 5s;
  expected.timeouts.keep_alive = 2min;
  expected.limits.connections = 1000;
  expected.limits.min_rate = 0;
  EXPECT_EQ(config->proxy.settings, expected);
}

TEST(Configuration, NeedsNothingAtAll) {
  const auto config = parse("", "fleet.toml", user());
  ASSERT_TRUE(config);
  Config expected;
  expected.state_dir = "/home/ann/.local/state/fleet";
  expected.run_dir = "/home/ann/.local/state/fleet/run";
  expected.proxy.workers = 4;
  EXPECT_EQ(*config, expected);
}

// The reference's defaults written out give the same as leaving them out, so each is both documented and true.
TEST(Configuration, HasTheDefaultsThatTheReferenceNames) {
  const std::string least = "[app.NAME]\n";
  std::string spelt_out;
  int written = 0;
  for (const auto& section : reference()) {
    if (section.heading.starts_with("[[")) continue;  // a table that has no default
    spelt_out += section.heading + "\n";
    for (const auto& key : section.keys) {
      const bool constant = key.fallback.find_first_of("\"[") == 0 || key.fallback == "true" ||
                            key.fallback == "false" || std::isdigit(static_cast<unsigned char>(key.fallback[0]));
      if (key.required) spelt_out += key.name + " = [\"x\"]\n";
      if (!constant) continue;
      spelt_out += key.name + " = " + key.fallback + "\n";
      ++written;
    }
  }
  const auto lower = [](std::string text) {
    for (auto at = text.find("NAME"); at != std::string::npos; at = text.find("NAME")) text.replace(at, 4, "name");
    return text;
  };
  const auto config = parse(lower(spelt_out), "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text << "\n" << spelt_out;
  auto plain = *parse(lower(least), "fleet.toml", user());
  plain.apps.front().health_given = true;  // that one says so is all that differs
  EXPECT_EQ(*config, plain);
  EXPECT_GE(written, 18);
}

TEST(Configuration, PutsTheFoldersOfRootInTheSystem) {
  auto environment = user();
  environment.uid = 0;
  environment.xdg_runtime_dir = "/run/user/0";
  const auto config = parse("", "fleet.toml", environment);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->state_dir, "/var/lib/fleet");
  EXPECT_EQ(config->run_dir, "/run/fleet");
}

TEST(Configuration, FollowsTheXdgFoldersOfAUser) {
  auto environment = user();
  environment.xdg_state_home = "/data/state";
  environment.xdg_runtime_dir = "/run/user/1000";
  const auto config = parse("", "fleet.toml", environment);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->state_dir, "/data/state/fleet");
  EXPECT_EQ(config->run_dir, "/run/user/1000/fleet");
}

TEST(Configuration, IgnoresRelativeXdgFolders) {
  auto environment = user();
  environment.xdg_state_home = "state";
  EXPECT_EQ(parse("", "fleet.toml", environment)->state_dir, "/home/ann/.local/state/fleet");
}

TEST(Configuration, AsksForAStateFolderWhenThereIsNoHome) {
  auto environment = user();
  environment.home = "";
  EXPECT_THAT(problems("", environment), ElementsAre(testing::HasSubstr("fleet.toml: fleet.state_dir: missing")));
}

TEST(Configuration, ResolvesPathsAgainstItsOwnFolder) {
  const auto config = parse(
      "[fleet]\nstate_dir = \"../x/./state/\"\nrun_dir = \"/r\"\n"
      "[[tls]]\ncertificate = \"tls/a.pem\"\nkey = \"a.key\"",
      "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text;
  EXPECT_EQ(config->state_dir, "/etc/x/state");
  EXPECT_EQ(config->run_dir, "/r");
  EXPECT_EQ(config->tls[0].certificate, "/etc/fleet/tls/a.pem");
  EXPECT_EQ(config->tls[0].key, "/etc/fleet/a.key");
}

TEST(Configuration, BringsValuesToOneForm) {
  const auto config = parse(
      "[proxy]\nhttp = [\"[0:0::1]:8080\"]\n[app.a]\nhosts = [\"Shop.Example.COM\"]\n"
      "path = \"/shop/\"\ncommand = [\"x\"]\ndrain = { stop_signal = \"INT\" }",
      "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text;
  EXPECT_EQ(config->proxy.http[0], (Endpoint{"::1", 8080}));
  EXPECT_THAT(config->apps[0].hosts, ElementsAre("shop.example.com"));
  EXPECT_EQ(config->apps[0].path, "/shop");
  EXPECT_EQ(config->apps[0].drain.stop_signal, "SIGINT");
}

TEST(Configuration, TakesEachUnitOfTime) {
  const auto config = parse(
      "[app.a]\ncommand = [\"x\"]\nhealth.interval = \"250ms\"\nhealth.timeout = \"5m\"\n"
      "health.start_timeout = \"24h\"\ndrain.timeout = \"0s\"",
      "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text;
  EXPECT_EQ(config->apps[0].health.interval, 250ms);
  EXPECT_EQ(config->apps[0].health.timeout, 5min);
  EXPECT_EQ(config->apps[0].health.start_timeout, 24h);
  EXPECT_EQ(config->apps[0].drain.timeout, 0ms);
}

TEST(Configuration, ChoosesTheKindOfHealthCheck) {
  const auto kind = [](const std::string& health) {
    const auto config = parse("[app.a]\ncommand = [\"x\"]\nhealth = { " + health + " }", "fleet.toml", user());
    return config ? config->apps[0].health : HealthConfig{};
  };
  EXPECT_EQ(kind("tcp = true").kind, HealthKind::tcp);
  EXPECT_EQ(kind("notify = true, tcp = false").kind, HealthKind::notify);
  EXPECT_EQ(kind("command = [\"./check\", \"{port}\"]").kind, HealthKind::command);
  EXPECT_THAT(kind("command = [\"./check\", \"{port}\"]").command, ElementsAre("./check", "{port}"));
  EXPECT_EQ(kind("path = \"/up?deep=1\"").path, "/up?deep=1");
}

TEST(Configuration, ListsAppsByName) {
  const auto config = parse("[app.b]\ncommand = [\"x\"]\npath = \"/b\"\n[app.a]\ncommand = [\"x\"]", "f", user());
  ASSERT_TRUE(config) << config.error().error().text;
  EXPECT_EQ(config->apps[0].name, "a");
  EXPECT_EQ(config->apps[1].name, "b");
}

TEST(Configuration, LetsAppsShareAHostByPathAndAPathByHost) {
  EXPECT_THAT(problems("[app.a]\ncommand = [\"x\"]\nhosts = [\"h\"]\n[app.b]\ncommand = [\"x\"]\nhosts = [\"h\"]\n"
                       "path = \"/b\"\n[app.c]\ncommand = [\"x\"]\nhosts = [\"i\"]\n[app.d]\ncommand = [\"x\"]"),
              ElementsAre());
}

void expect_an_answer(const std::string& text) {
  const auto config = parse(text, "fleet.toml", user());
  if (!config) {
    ASSERT_FALSE(config.error().list.empty());
  }
}

TEST(Configuration, SurvivesBeingCutAnywhere) {
  const auto whole = file("tests/fixtures/config/shop.toml");
  ASSERT_GT(whole.size(), 1000u);
  for (std::size_t length = 0; length < whole.size(); length += 3) expect_an_answer(whole.substr(0, length));
}

TEST(Configuration, SurvivesRandomDamage) {
  const auto whole = file("tests/fixtures/config/shop.toml");
  const std::string scraps[] = {"[",  "]",  "\"", "=",    "\n",   "{",  "}",          ".",        "#",
                                "[[", "]]", "'",  "9999", "true", "\\", "1979-05-27", "\xc3\x28", std::string(1, '\0')};
  std::mt19937 random(20240601);
  for (int round = 0; round < 1500; ++round) {
    auto text = whole;
    for (auto damage = 1 + random() % 4; damage > 0; --damage) {
      const auto at = random() % text.size();
      text.replace(at, random() % 8, scraps[random() % std::size(scraps)]);
    }
    expect_an_answer(text);
  }
}

}  // namespace
}  // namespace fleet::config::test
