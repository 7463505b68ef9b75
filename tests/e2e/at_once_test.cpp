// D1, D2: what is asked for at the same time, is aborted, or whose asker has gone. One at a time for each app, and every
// answer is one of the documented ones.
#include <signal.h>

#include <future>
#include <map>

#include "expect.hpp"
#include "support/file_server.hpp"

namespace fleet::test {
namespace {

std::uint64_t id_of(const Response& answer) { return Json::parse(answer.body).at("id"); }

class AtOnce : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps = {};
    for (const auto* name : {"shop", "kiosk", "till", "desk"}) {
      DemoApp app;
      app.name = name;
      app.lines = {"allow_insecure = true"};
      if (app.name != "shop") app.instances = 1, app.lines.push_back("hosts = [\"" + app.name + ".example\"]");
      setup.demo_apps.push_back(app);
    }
    return setup;
  }
  void SetUp() override {
    fleet.start();
    for (const auto* app : {"shop", "kiosk", "till", "desk"}) ASSERT_TRUE(ended(fleet.deploy({"v1"}, {"--app", app}), kDone));
    traffic.emplace(fleet);
    traffic->flow();
  }
  Response ask(const std::string& app, const std::string& verb, const Json& body = {}) const {
    return fleet.call("POST", "/v1/apps/" + app + "/" + verb, body.is_null() ? "" : body.dump());
  }
  Response abort(std::uint64_t id) const { return fleet.call("POST", "/v1/deployments/" + std::to_string(id) + "/abort"); }
  // As if v2 had never been asked for.
  void nothing_happened(std::uint64_t id, const std::vector<pid_t>& instances) const {
    const auto view = fleet.wait_end(id);
    EXPECT_EQ(view.at("state"), "aborted") << view.dump(2);
    EXPECT_EQ(view.at("outcome"), "kept_old");
    EXPECT_TRUE(serves(fleet, "v1"));
    EXPECT_TRUE(settled(fleet));
    EXPECT_EQ(fleet.instance_pids(), instances);
    EXPECT_EQ(servers_running(), 5u);
  }

  Fleet fleet{setup()};
  std::optional<Traffic> traffic;
};

TEST_F(AtOnce, D1_AHundredDeploysOfOneAppAreOneAfterTheOther) {
  const auto artifact = fleet.pack({"v2", {"start-delay = 300"}});
  std::vector<std::future<Response>> answers;
  for (int i = 0; i < 100; ++i) {
    answers.push_back(std::async(std::launch::async, [&] { return ask("shop", "deployments", {{"url", artifact}}); }));
  }
  std::map<int, int> statuses;
  std::uint64_t id = 0;
  for (auto& one : answers) {
    const auto answer = one.get();
    ++statuses[answer.status];
    if (answer.status == 202) id = id_of(answer);
  }
  EXPECT_EQ(statuses, (std::map<int, int>{{202, 1}, {409, 99}}));
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_TRUE(settled(fleet));
  EXPECT_EQ(servers_running(), 5u);
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1", "v2"}));
}

TEST_F(AtOnce, D1_DeploysOfDifferentAppsDoNotWaitForEachOther) {
  for (unsigned round = 2; round < 2 + times(3); ++round) {
    const auto version = "v" + std::to_string(round);
    std::vector<std::future<Ran>> all;
    const auto slow = fleet.pack({version, {"start-delay = 1500"}});
    const auto quick = fleet.pack({version});
    const auto held_up = fleet.begin_deploy(slow, "shop");
    for (const std::string app : {"kiosk", "till", "desk"}) {
      all.push_back(std::async(std::launch::async, [&, app] { return fleet.ctl({"deploy", quick, "--app", app}); }));
    }
    for (auto& one : all) EXPECT_TRUE(ended(one.get(), kDone));
    EXPECT_EQ(fleet.deployment(held_up).at("state"), "running") << "they have waited for the slow one";
    EXPECT_EQ(fleet.wait_end(held_up).at("state"), "succeeded");
    EXPECT_TRUE(serves(fleet, version));
    EXPECT_EQ(servers_running(), 5u);
  }
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1", "v2"}));
}

TEST_F(AtOnce, D1_AnAbortInEachPhaseBeforeTheSwitchIsAsIfNeverAsked) {
  const auto instances = fleet.instance_pids();
  {
    FileServer files(fleet.root());
    files.hold();
    const auto artifact = fleet.pack({"v2", {}, 1 << 20});
    const auto id = fleet.begin_deploy(files.url(artifact.substr(artifact.rfind('/') + 1)));
    ASSERT_TRUE(eventually([&] { return files.someone_waits(); }));
    ASSERT_EQ(fleet.wait_phase(id, "prepare"), "prepare");
    EXPECT_EQ(abort(id).status, 202);
    nothing_happened(id, instances);
    files.release();
  }
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 8000"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  EXPECT_EQ(abort(id).status, 202);
  nothing_happened(id, instances);
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1"}));
}

TEST_F(AtOnce, D1_AnAbortAfterTheSwitchIsRefusedAndTheDeployGoesOn) {
  const auto peer = fleet.http();
  auto slow = Connection::open(peer);
  ASSERT_TRUE(slow && slow->send(request_text(peer, "GET", "/slow?ms=2000")));
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  ASSERT_EQ(fleet.wait_phase(id, "drain"), "drain");
  const auto refused = abort(id);
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_NE(refused.body.find("has switched already"), std::string::npos) << refused.body;
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  EXPECT_EQ(abort(id).status, 400) << "it is over";
  EXPECT_EQ(abort(4711).status, 404);
  EXPECT_TRUE(serves(fleet, "v2"));
  ASSERT_TRUE(slow->receive());
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1", "v2"}));
}

TEST_F(AtOnce, D1_ARollbackARestartAndADeployDuringADeployAreRefusedAndNameIt) {
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 1500"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  const auto other = fleet.pack({"v3"});
  for (const auto& [verb, body] : std::vector<std::pair<std::string, Json>>{
           {"rollback", {}}, {"restart", {}}, {"deployments", {{"url", other}}}}) {
    const auto answer = ask("shop", verb, body);
    EXPECT_EQ(answer.status, 409) << verb << ": " << answer.body;
    EXPECT_EQ(Json::parse(answer.body).at("busy").at("deployment"), id) << verb;
  }
  EXPECT_TRUE(ended(fleet.ctl({"rollback", "--app", "shop"}), kBusy));
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1", "v2"}));
}

TEST_F(AtOnce, D1_AFleetdThatIsStoppedDuringADeployLeavesItToTheNext) {
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 1500"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  EXPECT_TRUE(ended(fleet.ctl({"shutdown"}), kDone));
  EXPECT_EQ(fleet.daemon().wait(milliseconds(10000)).value_or(-1), 0);
  traffic->flow();
  fleet.start();
  const auto view = fleet.wait_end(id);
  EXPECT_NE(view.at("state"), "running");
  EXPECT_TRUE(serves(fleet, view.at("state") == "succeeded" ? "v2" : "v1")) << view.dump(2);
  EXPECT_TRUE(settled(fleet));
  EXPECT_EQ(servers_running(), 5u);
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1"}));
}

TEST_F(AtOnce, D1_TheSameVersionAgainWhileItIsUnderWayAndAfterIsNeverDeployedTwice) {
  const auto artifact = fleet.pack({"v2", {"start-delay = 700"}});
  const auto id = fleet.begin_deploy(artifact);
  EXPECT_TRUE(ended(fleet.ctl({"deploy", artifact, "--app", "shop"}), kBusy));
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  const auto release = fleet.app().at("release");
  const auto instances = fleet.instance_pids();
  EXPECT_TRUE(ended(fleet.ctl({"deploy", artifact, "--app", "shop"}), kDone));
  EXPECT_EQ(fleet.app().at("release"), release);
  EXPECT_EQ(fleet.instance_pids(), instances);
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1", "v2"}));
}

// fleetctl is killed while what it asked for is in that phase.
TEST_F(AtOnce, D2_ADeployGoesOnWithoutTheFleetctlThatAskedForIt) {
  unsigned version = 1;
  for (const std::string phase : {"prepare", "warm", "drain", "retire"}) {
    SCOPED_TRACE(phase);
    const auto name = "v" + std::to_string(++version);
    FileServer files(fleet.root());
    if (phase == "prepare") files.hold();
    const auto artifact = fleet.pack({name, {"start-delay = 500", "stop-delay = 500"}, 1 << 20});
    const auto peer = fleet.http();
    auto slow = Connection::open(peer);
    ASSERT_TRUE(slow && slow->send(request_text(peer, "GET", phase == "drain" ? "/slow?ms=2500" : "/")));
    Program asker({program_path("fleetctl"), "--socket", fleet.root() + "/run/fleetd.sock", "deploy",
                   files.url(artifact.substr(artifact.rfind('/') + 1)), "--app", "shop"},
                  {}, "", "");
    Json under_way;
    ASSERT_TRUE(eventually([&] { return !(under_way = fleet.app().at("deployment")).is_null(); }));
    const auto id = under_way.at("id").get<std::uint64_t>();
    EXPECT_EQ(fleet.wait_phase(id, phase), phase);
    asker.signal(SIGKILL);
    EXPECT_EQ(asker.wait(milliseconds(5000)), 128 + SIGKILL);
    files.release();
    const auto view = fleet.wait_end(id);
    EXPECT_EQ(view.at("state"), "succeeded") << view.dump(2);
    EXPECT_TRUE(serves(fleet, name));
    EXPECT_EQ(servers_running(), 5u);
    ASSERT_TRUE(slow->receive());
  }
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1", "v2", "v3", "v4", "v5"}));
}

}  // namespace
}  // namespace fleet::test
