// A failed deploy changes nothing: the old release keeps serving, and the operator learns why.
#include <filesystem>
#include <fstream>

#include "expect.hpp"
#include "support/file_server.hpp"

namespace fleet::test {
namespace {

// A fleet that serves v1 under load, and a candidate that must not get in.
class FailedDeploy : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps[0].lines = {"allow_insecure = true"};
    setup.demo_apps[0].health = {"path = \"/health\"", "interval = \"100ms\"", "timeout = \"500ms\"", "healthy = 2",
                                 "start_timeout = \"2s\""};
    return setup;
  }
  void SetUp() override {
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
    before = fleet.instance_pids();
    traffic.emplace(fleet);
    traffic->flow();
  }
  // Nothing is as if it had not been tried.
  void nothing_changed() {
    EXPECT_TRUE(serves(fleet, "v1"));
    EXPECT_TRUE(settled(fleet));
    EXPECT_EQ(fleet.instance_pids(), before);
    EXPECT_EQ(fleet.app().at("release"), 1);
    EXPECT_EQ(servers_running(), 2u);
    traffic->flow();
    const auto verdict = traffic->stop(400);
    EXPECT_TRUE(lossless(verdict, {"v1"}));
    EXPECT_EQ(verdict.load.versions.size(), 1u) << "the candidate answered a request";
  }

  Fleet fleet{setup()};
  std::vector<pid_t> before;
  std::optional<Traffic> traffic;
};

TEST_F(FailedDeploy, AnUnhealthyCandidate) {
  const auto ran = fleet.deploy({"v2", {"unhealthy = true", R"(say = ["the till is locked"])"}});
  EXPECT_TRUE(ended(ran, kUnhealthy));
  EXPECT_NE((ran.out + ran.err).find("the till is locked"), std::string::npos) << "its last words are shown";
  EXPECT_GE(ran.took.count(), 2000);
  EXPECT_LT(ran.took.count(), 2000 + 1500) << "fails at its deadline";
  nothing_changed();
}

TEST_F(FailedDeploy, ACandidateThatExitsAtStart) {
  const auto ran = fleet.deploy({"v2", {"exit-code = 3", R"(say = ["no database", "giving up"])"}});
  EXPECT_TRUE(ended(ran, kUnhealthy));
  const auto text = ran.out + ran.err;
  EXPECT_NE(text.find("no database"), std::string::npos) << text;
  EXPECT_NE(text.find("giving up"), std::string::npos) << text;
  EXPECT_NE(text.find("3"), std::string::npos) << "its exit code is said: " << text;
  EXPECT_LT(ran.took.count(), 2000) << "no need to wait for the deadline";
  nothing_changed();
}

TEST_F(FailedDeploy, ACandidateThatNeverListens) {
  EXPECT_TRUE(ended(fleet.deploy({"v2", {"never-listen = true"}}), kUnhealthy));
  nothing_changed();
}

TEST_F(FailedDeploy, ACandidateThatHangs) {
  EXPECT_TRUE(ended(fleet.deploy({"v2", {"hang = true"}}), kUnhealthy));
  nothing_changed();
}

TEST_F(FailedDeploy, ACandidateThatIsHealthyOnceAndThenNot) {
  EXPECT_TRUE(ended(fleet.deploy({"v2", {"healthy-answers = 1"}}), kUnhealthy));
  nothing_changed();
}

TEST_F(FailedDeploy, ACandidateThatDiesWhileItWarms) {
  EXPECT_TRUE(ended(fleet.deploy({"v2", {"unhealthy = true", "exit-after = 300"}}), kUnhealthy));
  nothing_changed();
}

TEST_F(FailedDeploy, AnArtifactThatIsNotThere) {
  const FileServer files(fleet.root());
  EXPECT_TRUE(ended(fleet.ctl({"deploy", files.url("nothing.tar.gz")}), kFetch));
  EXPECT_TRUE(ended(fleet.ctl({"deploy", fleet.root() + "/nothing.tar.gz"}), kFetch));
  EXPECT_TRUE(ended(fleet.ctl({"deploy", "http://127.0.0.1:" + std::to_string(free_port()) + "/x.tar.gz"}), kFetch));
  nothing_changed();
}

TEST_F(FailedDeploy, AnArtifactThatIsNotAnArchive) {
  write_whole(fleet.root() + "/page.tar.gz", "<html><body>please log in</body></html>");
  EXPECT_TRUE(ended(fleet.ctl({"deploy", fleet.root() + "/page.tar.gz"}), kFetch));
  nothing_changed();
}

TEST_F(FailedDeploy, AnotherDigestThanTheOneGiven) {
  const auto artifact = fleet.pack({"v2"});
  const std::string wrong(64, '0');
  EXPECT_TRUE(ended(fleet.ctl({"deploy", artifact, "--sha256", wrong}), kFetch));
  nothing_changed();
  const auto said = run({"sha256sum", artifact}).out.substr(0, 64);
  EXPECT_TRUE(ended(fleet.ctl({"deploy", artifact, "--sha256", said}), kDone));
  EXPECT_TRUE(serves(fleet, "v2"));
}

TEST(Commands, SayWhenTheDaemonIsUnreachable) {
  const Fleet fleet;  // not started
  EXPECT_TRUE(ended(fleet.ctl({"status"}), kUnreachable));
  EXPECT_TRUE(ended(fleet.ctl({"deploy", "/tmp/x.tar.gz"}), kUnreachable));
}

TEST(Commands, RefuseMisuseWithTheUsageCode) {
  Fleet fleet;
  fleet.start();
  EXPECT_TRUE(ended(fleet.ctl({"deploy"}), kUsage));
  EXPECT_TRUE(ended(fleet.ctl({"no-such-verb"}), kUsage));
  EXPECT_TRUE(ended(fleet.ctl({"restart", "--app", "unknown"}), kUsage));
  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kUsage)) << "there is nothing to go back to";
}

TEST(Commands, CheckAConfigurationWithoutADaemon) {
  const Fleet fleet;
  EXPECT_TRUE(ended(fleet.ctl({"config", "check", fleet.config_path()}), kDone));
  write_whole(fleet.root() + "/bad.toml", read_whole(fleet.config_path()) + "\n[app.shop2]\ncomand = [\"x\"]\n");
  const auto ran = fleet.ctl({"config", "check", fleet.root() + "/bad.toml"});
  EXPECT_TRUE(ended(ran, kUsage));
  EXPECT_NE((ran.out + ran.err).find("comand"), std::string::npos) << ran.out << ran.err;
  EXPECT_NE((ran.out + ran.err).find("bad.toml:"), std::string::npos) << "names the line: " << ran.out << ran.err;
}

TEST(Commands, ShowStatusReleasesLogsAndEvents) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1", {R"(say = ["good morning"])"}}), kDone));
  for (const auto* verb : {"status", "releases", "logs", "events"}) {
    const auto ran = fleet.ctl({verb});
    EXPECT_TRUE(ended(ran, kDone)) << verb;
    EXPECT_FALSE(ran.out.empty()) << verb;
  }
  EXPECT_NE(fleet.ctl({"logs", "--lines", "50"}).out.find("good morning"), std::string::npos);
  EXPECT_NE(fleet.ctl({"status"}).out.find("shop"), std::string::npos);
  const auto json = Json::parse(fleet.ctl({"status", "--json"}).out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json.at("apps").at(0).at("name"), "shop");
}

TEST(Reload, ABrokenFileLeavesTheOldConfigurationInForce) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto good = read_whole(fleet.config_path());
  write_whole(fleet.config_path(), good + "\nnonsense = = 1\n");
  const auto ran = fleet.ctl({"reload"});
  EXPECT_TRUE(ended(ran, kUsage));
  EXPECT_TRUE(serves(fleet, "v1"));
  write_whole(fleet.config_path(), good);
  EXPECT_TRUE(ended(fleet.ctl({"reload"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
}

TEST(Reload, ChangesARouteUnderLoadWithoutALoss) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  auto text = read_whole(fleet.config_path());
  text.replace(text.find("instances = 2"), 13, "https_redirect = \"off\"\nrewrite_redirects = false\ninstances = 2");
  write_whole(fleet.config_path(), text);
  EXPECT_TRUE(ended(fleet.ctl({"reload"}), kDone));
  const auto response = fetch(fleet.https(), "GET", "/redirect?to=/x");
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->header("Location").starts_with("http://127.0.0.1:")) << response->header("Location");
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1"}));
}

}  // namespace
}  // namespace fleet::test
