#include "options.hpp"

#include <gmock/gmock.h>

namespace fleet::ctl {
namespace {

using ::testing::HasSubstr;

const Surroundings kUser{false, "", "/run/user/1000", "/home/me"};

std::expected<Options, Ended> read(std::vector<const char*> arguments, const Surroundings& around = kUser) {
  arguments.insert(arguments.begin(), "fleetctl");
  return parse(static_cast<int>(arguments.size()), arguments.data(), around);
}

TEST(Options, FindTheSocketOfThisUser) {
  EXPECT_EQ(read({"status"})->socket, "/run/user/1000/fleet/fleetd.sock");
  EXPECT_EQ(read({"status"}, {true, "", "/run/user/0", "/"})->socket, "/run/fleet/fleetd.sock");
  EXPECT_EQ(read({"status"}, {false, "", "", "/"})->socket, "/run/fleet/fleetd.sock");
  EXPECT_EQ(read({"status"}, {true, "/tmp/a.sock", "", "/"})->socket, "/tmp/a.sock");
  EXPECT_EQ(read({"status", "--socket", "b.sock"}, {true, "/tmp/a.sock", "", "/"})->socket, "b.sock");
}

TEST(Options, MayComeBeforeOrAfterTheVerb) {
  for (const auto& arguments : {std::vector<const char*>{"--app", "shop", "--json", "deploy", "x", "--timeout", "90s"},
                                {"deploy", "x", "--timeout", "90s", "--app", "shop", "--json"},
                                {"deploy", "--json", "--timeout=90s", "--app=shop", "x"}}) {
    const auto options = read(arguments);
    ASSERT_TRUE(options) << options.error().err;
    EXPECT_EQ(options->verb, Verb::deploy);
    EXPECT_EQ(options->app, "shop");
    EXPECT_TRUE(options->json);
    EXPECT_EQ(options->timeout, std::chrono::seconds(90));
  }
  EXPECT_TRUE(read({"config", "check", "f", "--json"})->json);
}

TEST(Options, MakeLocalBuildsAbsoluteAndLeaveUrlsAlone) {
  EXPECT_EQ(read({"deploy", "dist/../shop.zip"})->build, "/home/me/shop.zip");
  EXPECT_EQ(read({"deploy", "/srv/shop.zip"})->build, "/srv/shop.zip");
  EXPECT_EQ(read({"plan", "shop.zip"})->build, "/home/me/shop.zip");
  EXPECT_EQ(read({"plan", "--latest"})->verb, Verb::plan);
  EXPECT_EQ(read({"deploy", "https://b/s.zip"})->build, "https://b/s.zip");
}

TEST(Options, TakeReleasesAsTheyAreShown) {
  EXPECT_EQ(read({"rollback"})->number, std::nullopt);
  EXPECT_EQ(read({"rollback", "42"})->number, 42u);
  EXPECT_EQ(read({"rollback", "v42"})->number, 42u);
  EXPECT_EQ(read({"logs", "--release", "v42", "-f", "-n", "5"})->release, 42u);
  EXPECT_FALSE(read({"rollback", "latest"}));
}

TEST(Options, TakeWhatIsToBeKeptAndWhatIsToGo) {
  EXPECT_EQ(read({"pin", "v42"})->number, 42u);
  EXPECT_EQ(read({"pin", "v42"})->verb, Verb::pin);
  EXPECT_EQ(read({"unpin", "7", "--app", "shop"})->verb, Verb::unpin);
  EXPECT_FALSE(read({"pin"}));
  EXPECT_EQ(read({"gc"})->verb, Verb::gc);
  EXPECT_FALSE(read({"gc"})->dry_run);
  EXPECT_TRUE(read({"gc", "--dry-run"})->dry_run);
}

TEST(Options, TakeTheAppOfLogsWhereItIsTyped) {
  const auto options = read({"logs", "--access", "shop", "-n", "5", "-f"});
  ASSERT_TRUE(options) << options.error().err;
  EXPECT_TRUE(options->access);
  EXPECT_TRUE(options->follow);
  EXPECT_EQ(options->app, "shop");
  EXPECT_EQ(options->lines, 5u);
  EXPECT_EQ(read({"logs", "shop"})->app, "shop");
  EXPECT_EQ(read({"--app", "shop", "logs", "--access"})->app, "shop");
  EXPECT_EQ(read({"logs"})->app, std::nullopt);
  EXPECT_FALSE(read({"logs"})->access);
}

TEST(Options, WaitFiveMinutesUnlessToldOtherwise) {
  EXPECT_TRUE(read({"restart"})->wait);
  EXPECT_EQ(read({"restart"})->timeout, std::chrono::minutes(5));
  EXPECT_FALSE(read({"restart", "--no-wait"})->wait);
  EXPECT_EQ(read({"follow", "3", "--timeout", "2h"})->timeout, std::chrono::hours(2));
}

TEST(Options, TakeTheRequestOfARouteCheck) {
  const auto options = read({"route", "check", "https://shop.example/x?y", "--method", "POST", "--header", "A: b", "--header", "C: d",
                             "--from", "192.0.2.7", "--json"});
  ASSERT_TRUE(options) << options.error().err;
  EXPECT_EQ(options->verb, Verb::route_check);
  EXPECT_EQ(options->asked_url, "https://shop.example/x?y");
  EXPECT_EQ(options->method, "POST");
  EXPECT_EQ(options->headers, (std::vector<std::string>{"A: b", "C: d"}));
  EXPECT_EQ(options->from, "192.0.2.7");
  EXPECT_FALSE(read({"route", "check"}));
  EXPECT_FALSE(read({"route"}));
}

TEST(Options, TakeTheLongestTimeOfAHold) {
  EXPECT_EQ(read({"hold"})->max, std::chrono::seconds(30));
  const auto held = read({"hold", "--max", "2m", "--app", "shop"});
  ASSERT_TRUE(held);
  EXPECT_EQ(held->verb, Verb::hold);
  EXPECT_EQ(held->max, std::chrono::minutes(2));
  EXPECT_EQ(read({"unhold"})->verb, Verb::unhold);
}

TEST(Options, SayWhatADurationMayBe) {
  EXPECT_EQ(read({"hold", "--max", "2h"}).error().err.substr(0, 96),
            "fleetctl: --max: \"2h\" is not a duration from 1s to 1h (a whole number and ms, s, m or h)\nRun wit");
  EXPECT_THAT(read({"hold", "--max", "30"}).error().err, HasSubstr("--max: \"30\" is not a duration from 1s to 1h"));
  EXPECT_THAT(read({"hold", "--max", "9223372036854775807h"}).error().err, HasSubstr("is not a duration from 1s to 1h"));
  EXPECT_EQ(read({"hold", "--max", "60m"})->max, std::chrono::hours(1));
  EXPECT_EQ(read({"restart", "--timeout", "1500ms"})->timeout, std::chrono::milliseconds(1500));
}

TEST(Options, EndWithUsageWhenTheyAreWrong) {
  for (const auto& arguments : {std::vector<const char*>{},
                                {"frob"},
                                {"deploy"},
                                {"plan"},
                                {"plan", "a", "--no-wait"},
                                {"deploy", "a", "b"},
                                {"deploy", "a", "--timeout", "5"},
                                {"logs", "--lines", "0"},
                                {"logs", "shop", "--app", "blog"},
                                {"logs", "shop", "blog"},
                                {"logs", "--access", "--release", "1"},
                                {"hold", "--max", "0s"},
                                {"hold", "--max", "2h"},
                                {"hold", "--max", "30"},
                                {"unhold", "--max", "5s"},
                                {"config"},
                                {"status", "--frob"}}) {
    const auto ended = read(arguments);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, 2);
    EXPECT_THAT(ended.error().err, ::testing::StartsWith("fleetctl: "));
  }
}

TEST(Options, ExplainThemselves) {
  const auto help = read({"--help"});
  ASSERT_FALSE(help);
  EXPECT_EQ(help.error().code, 0);
  EXPECT_THAT(help.error().out, HasSubstr("    3  another deploy of this app runs"));
  EXPECT_EQ(read({"--version"}).error().out, "fleetctl " FLEET_VERSION "\n");
}

TEST(Url, IsHttpsUnlessItStaysOnThisMachine) {
  const auto remote = parse_url("https://build-7");
  ASSERT_TRUE(remote);
  EXPECT_TRUE(remote->tls);
  EXPECT_EQ(remote->host, "build-7");
  EXPECT_EQ(remote->port, "7070");
  EXPECT_EQ(parse_url("http://127.0.0.1:8000")->port, "8000");
  EXPECT_EQ(parse_url("http://[::1]:8000")->host, "::1");
  for (const char* wrong : {"http://build-7", "http://127.evil.example", "ftp://x", "build-7:7070", "https://", ""}) {
    EXPECT_FALSE(parse_url(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace fleet::ctl
