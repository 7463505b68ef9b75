// Hooks of a deploy, as real commands, while fleetd lives and while it does not.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

// Each hook runs the script of its name in the app's data folder, if there is one, and notes itself in `ran`.
class Hooks : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.apps = "[app.shop.hooks]\n";
    for (const auto* hook : {"pre_start", "pre_switch", "post_switch", "pre_stop", "on_failure"}) {
      const std::string name(hook);
      setup.apps += name + " = [\"/bin/sh\", \"-c\", \"cd $HOME; cat > " + name + ".json; echo " + name +
                    " >> ran; if [ -e " + name + ".sh ]; then . ./" + name + ".sh; fi\"]\n" + name +
                    "_timeout = \"20s\"\n";
    }
    return setup;
  }
  void SetUp() override {
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
    std::filesystem::remove(data() + "/ran");
  }

  std::string data() const { return fleet.root() + "/state/data/shop"; }
  std::string ran() const { return read_whole(data() + "/ran"); }
  Json input(const std::string& hook) const { return Json::parse(read_whole(data() + "/" + hook + ".json")); }
  void script(const std::string& hook, const std::string& text) { write_whole(data() + "/" + hook + ".sh", text); }
  Json last_deployment() const {
    Json found;
    for (std::uint64_t id = 1;; ++id) {
      const auto answer = fleet.call("GET", "/v1/deployments/" + std::to_string(id));
      if (answer.status != 200) return found;
      found = Json::parse(answer.body);
    }
  }

  Fleet fleet{setup()};
};

TEST_F(Hooks, RunInOrderOnceEachWithWhatTheyAreAbout) {
  script("pre_switch", "echo the address is $PORT >&2\n");
  const auto deployed = fleet.deploy({"v2"});
  EXPECT_TRUE(ended(deployed, kDone));
  EXPECT_EQ(ran(), "pre_start\npre_switch\npost_switch\npre_stop\n");
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_NE((deployed.out + deployed.err).find("hook pre_switch passed"), std::string::npos)
      << deployed.out << deployed.err;

  const auto about = input("pre_switch");
  EXPECT_EQ(about.at("kind"), "deploy");
  EXPECT_EQ(about.at("release"), 2);
  EXPECT_EQ(about.at("previous_release"), 1);
  ASSERT_EQ(about.at("instances").size(), 2u);
  EXPECT_EQ(input("pre_start").at("instances").size(), 0u);
  EXPECT_EQ(input("pre_stop").at("instances")[0].at("id").get<std::string>().find("shop-v1-"), 0u);

  const auto record = last_deployment();
  ASSERT_EQ(record.at("hooks").size(), 4u);
  for (const auto& hook : record.at("hooks")) EXPECT_EQ(hook.at("state"), "passed");
  EXPECT_EQ(record.at("hooks")[1].at("log_tail")[0], "the address is " + about.at("instances")[0].at("port").dump());
  const auto logs = fleet.ctl({"logs", "--app", "shop"});
  EXPECT_NE(logs.out.find("the address is"), std::string::npos) << logs.out;

  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  EXPECT_EQ(ran(), "pre_start\npre_switch\npost_switch\npre_stop\npre_switch\npost_switch\npre_stop\n");
  EXPECT_EQ(input("post_switch").at("kind"), "rollback");
}

TEST_F(Hooks, ThatFailBeforeTheSwitchKeepTheOldReleaseAndSayWhy) {
  const auto before = fleet.instance_pids();
  Traffic traffic(fleet);
  traffic.flow();
  for (const auto* hook : {"pre_start", "pre_switch"}) {
    SCOPED_TRACE(hook);
    script(hook, "printf 'the table is \\033[31mlocked\\n' >&2; exit 3\n");
    const auto failed = fleet.deploy({std::string("v2-") + hook});
    EXPECT_TRUE(ended(failed, kUnhealthy));
    const auto text = failed.out + failed.err;
    EXPECT_NE(text.find(std::string("hook ") + hook + " exited with code 3"), std::string::npos) << text;
    EXPECT_NE(text.find("the table is"), std::string::npos) << text;
    EXPECT_EQ(text.find("\033[31mlocked"), std::string::npos) << "a raw escape of the hook's";
    EXPECT_EQ(input("on_failure").at("error").at("exit_code"), 3);
    script(hook, "");
  }
  EXPECT_EQ(ran(), "pre_start\non_failure\npre_start\npre_switch\non_failure\n");
  EXPECT_EQ(fleet.instance_pids(), before);
  EXPECT_EQ(servers_running(), 2u);
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1"}));
}

TEST_F(Hooks, ThatFailAfterTheSwitchAreToldAndTheDeployGoesOn) {
  script("post_switch", "echo nobody listens; exit 1\n");
  script("pre_stop", "kill -9 $$\n");
  const auto deployed = fleet.deploy({"v2"});
  EXPECT_TRUE(ended(deployed, kDone));
  EXPECT_NE((deployed.out + deployed.err).find("post_switch failed: exited with code 1"), std::string::npos)
      << deployed.out;
  EXPECT_NE((deployed.out + deployed.err).find("nobody listens"), std::string::npos) << deployed.out;
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_TRUE(settled(fleet));
}

TEST_F(Hooks, AreEndedWithAllThatTheyStartedWhenTheDeployIsAborted) {
  script("pre_start", "sleep 1000 & echo $! > child; wait\n");
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(data() + "/child"); }));
  EXPECT_EQ(fleet.wait_phase(id, "pre_start"), "pre_start");
  EXPECT_TRUE(ended(fleet.ctl({"abort", std::to_string(id)}), kDone));
  const auto end = fleet.wait_end(id);
  EXPECT_EQ(end.at("state"), "aborted");
  EXPECT_EQ(end.at("hooks")[0].at("state"), "failed");
  pid_t child = 0;
  ASSERT_TRUE(eventually([&] { return (child = std::atoi(read_whole(data() + "/child").c_str())) != 0; }));
  EXPECT_TRUE(eventually([&] { return ::kill(child, 0) != 0; }));
  EXPECT_TRUE(settled(fleet));
}

// A fifo holds the hook until the test lets it go.
class HooksHeld : public Hooks {
 protected:
  void hold(const std::string& hook) {
    ASSERT_EQ(::mkfifo((data() + "/go").c_str(), 0600), 0);
    script(hook, "read go < go\necho went on\nexit $go\n");
  }
  void let_go(int code) { write_whole(data() + "/go", std::to_string(code) + "\n"); }
};

TEST_F(HooksHeld, GoOnWithoutFleetdAndTheirResultCounts) {
  for (const auto* hook : {"pre_start", "pre_switch", "post_switch", "pre_stop"}) {
    SCOPED_TRACE(hook);
    std::filesystem::remove(data() + "/ran");
    std::filesystem::remove(data() + "/go");
    hold(hook);
    const auto version = std::string("v2-") + hook;
    const auto id = fleet.begin_deploy(fleet.pack({version}));
    ASSERT_TRUE(eventually(milliseconds(20000), [&] { return ran().find(hook) != std::string::npos; }));
    fleet.kill();
    let_go(0);  // it ends while there is no fleetd
    fleet.start();
    EXPECT_EQ(fleet.wait_end(id).at("outcome"), "changed");
    EXPECT_EQ(ran(), "pre_start\npre_switch\npost_switch\npre_stop\n") << "each once";
    EXPECT_TRUE(serves(fleet, version));
    script(hook, "");
  }
}

TEST_F(HooksHeld, ThatFailWithoutFleetdAbortTheDeploy) {
  hold("pre_start");
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  ASSERT_TRUE(eventually(milliseconds(20000), [&] { return ran() == "pre_start\n"; }));
  fleet.kill();
  let_go(4);
  fleet.start();
  const auto end = fleet.wait_end(id);
  EXPECT_EQ(end.at("outcome"), "kept_old");
  EXPECT_EQ(end.at("error").at("text"), "hook pre_start exited with code 4");
  EXPECT_EQ(end.at("hooks")[0].at("log_tail")[0], "went on");
  EXPECT_TRUE(serves(fleet, "v1"));
}

TEST_F(HooksHeld, OfWhichNobodyKnowsTheEndAbortTheDeployAndAreNotRunAgain) {
  hold("pre_start");
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  ASSERT_TRUE(eventually(milliseconds(20000), [&] { return ran() == "pre_start\n"; }));
  fleet.reboot();
  fleet.start();
  const auto end = fleet.wait_end(id);
  EXPECT_EQ(end.at("outcome"), "kept_old");
  EXPECT_EQ(ran(), "pre_start\non_failure\n");
  EXPECT_TRUE(eventually([&] { return bool(serves(fleet, "v1")); }));
}

class HooksLate : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.apps =
        "[app.shop.hooks]\npre_start = [\"/bin/sh\", \"-c\", \"trap '' TERM; sleep 1000 & wait\"]\n"
        "pre_start_timeout = \"300ms\"\n";
    return setup;
  }
  Fleet fleet{setup()};
};

TEST_F(HooksLate, AreKilledAtTheirTimeoutAndFailTheDeploy) {
  fleet.start();
  const auto failed = fleet.deploy({"v1"});
  EXPECT_TRUE(ended(failed, kUnhealthy));
  EXPECT_NE((failed.out + failed.err).find("hook pre_start did not end within 300ms"), std::string::npos) << failed.out;
  EXPECT_LT(failed.took.count(), 300 + 3000);
}

}  // namespace
}  // namespace fleet::test
