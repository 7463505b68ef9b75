// The life of a release: first, next, back, again; and what fleetctl says and returns of it.
#include "expect.hpp"

namespace fleet::test {
namespace {

std::int64_t epoch_ms() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST(Deploy, FirstReleaseIsServedOnceItIsHealthy) {
  Fleet fleet;
  fleet.start();
  const auto before = fetch(fleet.http(), "GET", "/");
  ASSERT_TRUE(before);
  EXPECT_EQ(before->status, 503);
  EXPECT_EQ(fleet.app().at("state"), "idle");

  EXPECT_TRUE(ended(fleet.deploy({"v1", {"unhealthy-for = 300"}}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_TRUE(settled(fleet));
  const auto status = fleet.status();
  EXPECT_EQ(status.at("workers").size(), 2u);
  for (const auto& worker : status.at("workers")) EXPECT_EQ(worker.at("state"), "accepting");
  EXPECT_EQ(fleet.app().at("release"), 1);
  EXPECT_EQ(fleet.app().at("state"), "serving");
  EXPECT_GT(status.at("generation").get<std::uint64_t>(), 0u);
}

TEST(Deploy, SecondReleaseUnderLoadLosesNothing) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  const auto deployed = fleet.deploy({"v2"});
  const auto after = epoch_ms();
  ASSERT_TRUE(ended(deployed, kDone));
  traffic.flow();
  const auto verdict = traffic.stop(400);
  ASSERT_TRUE(lossless(verdict, {"v1", "v2"}));
  EXPECT_LE(verdict.load.versions.at("v1").last_start, after) << "the old release answered after the switch";
  EXPECT_TRUE(settled(fleet));
  EXPECT_EQ(servers_running(), 2u);
  EXPECT_NE(deployed.out.find("rollback"), std::string::npos) << "says how to undo it: " << deployed.out;
}

TEST(Deploy, LeavesAReceiptWithTimesAndFigures) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  const auto artifact = fleet.pack({"v2", {"start-delay = 500"}});
  const auto before = traffic.progress().requests;
  const auto view = fleet.wait_end(fleet.begin_deploy(artifact));
  const auto during = traffic.progress().requests - before;
  traffic.stop(100);
  EXPECT_EQ(view.at("state"), "succeeded");
  EXPECT_EQ(view.at("outcome"), "changed");
  EXPECT_EQ(view.at("release"), 2);
  EXPECT_EQ(view.at("previous_release"), 1);
  // The load tells of its progress every 100 ms, 40 requests.
  EXPECT_GE(view.at("receipt").at("requests").get<std::uint64_t>() + 80, during);
  EXPECT_LE(view.at("receipt").at("requests").get<std::uint64_t>(), during + 80);
  EXPECT_EQ(view.at("receipt").at("cut"), 0) << "no request was near the drain limit";
  EXPECT_EQ(view.at("receipt").at("failed"), 0);
  std::vector<std::string> phases;
  for (const auto& phase : view.at("phases")) phases.push_back(phase.at("phase"));
  EXPECT_EQ(phases, (std::vector<std::string>{"prepare", "warm", "commit", "drain", "retire"}));
  EXPECT_GE(view.at("phases").at(1).at("ms").get<int>(), 500);
}

TEST(Deploy, RollbackBringsTheReleaseBeforeBackUnderLoad) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1", "v2"}));
  EXPECT_EQ(fleet.app().at("release"), 1);
}

TEST(Deploy, RollbackCanNameARelease) {
  Fleet fleet;
  fleet.start();
  for (const auto* version : {"v1", "v2", "v3"}) ASSERT_TRUE(ended(fleet.deploy({version}), kDone));
  EXPECT_TRUE(ended(fleet.ctl({"rollback", "1"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_TRUE(ended(fleet.ctl({"rollback", "77"}), kUsage));
  EXPECT_TRUE(serves(fleet, "v1"));
  const auto releases = fleet.get("/v1/apps/shop/releases").at("releases");
  ASSERT_EQ(releases.size(), 3u);
  EXPECT_EQ(releases.at(0).at("release"), 3);
  EXPECT_EQ(releases.at(2).at("current"), true);
}

TEST(Deploy, RestartReplacesTheInstancesWithoutAGap) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = fleet.instance_pids();
  Traffic traffic(fleet);
  traffic.flow();
  EXPECT_TRUE(ended(fleet.ctl({"restart"}), kDone));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1"}));
  EXPECT_TRUE(settled(fleet));
  for (const auto pid : fleet.instance_pids()) EXPECT_EQ(std::ranges::count(before, pid), 0);
  EXPECT_EQ(fleet.app().at("release"), 1);
}

TEST(Deploy, TheSameArtifactAgainIsAlreadyCurrent) {
  Fleet fleet;
  fleet.start();
  const auto artifact = fleet.pack({"v1"});
  ASSERT_TRUE(ended(fleet.ctl({"deploy", artifact}), kDone));
  const auto before = fleet.instance_pids();
  EXPECT_TRUE(ended(fleet.ctl({"deploy", artifact}), kDone));
  EXPECT_EQ(fleet.instance_pids(), before);
  EXPECT_EQ(fleet.app().at("release"), 1);
}

TEST(Deploy, ASecondOneMeanwhileIsBusyAndAnotherAppIsNot) {
  FleetSetup setup;
  setup.demo_apps = {DemoApp{.name = "shop", .lines = {"path = \"/\""}},
                     DemoApp{.name = "other", .lines = {"hosts = [\"other.example\"]"}}};
  Fleet fleet(setup);
  fleet.start();
  const auto id = fleet.begin_deploy(fleet.pack({"v1", {"start-delay = 1500"}}));
  const auto refused = fleet.deploy({"v2"}, {"--app", "shop"});
  EXPECT_TRUE(ended(refused, kBusy));
  EXPECT_TRUE(ended(fleet.deploy({"w1"}, {"--app", "other"}), kDone));
  EXPECT_EQ(fleet.deployment(id).at("state"), "running") << "the other app's deploy waited for this one";
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  EXPECT_TRUE(serves(fleet, "v1"));
  auto other = fleet.http();
  other.server_name = "other.example";
  EXPECT_EQ(version_at(other), "w1");
}

TEST(Deploy, AnAbortIsAsIfNeverAsked) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = fleet.instance_pids();
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 8000"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  EXPECT_EQ(fleet.call("POST", "/v1/deployments/" + std::to_string(id) + "/abort").status, 202);
  const auto view = fleet.wait_end(id);
  EXPECT_EQ(view.at("state"), "aborted");
  EXPECT_EQ(view.at("outcome"), "kept_old");
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_TRUE(settled(fleet));
  EXPECT_EQ(fleet.instance_pids(), before);
  EXPECT_EQ(servers_running(), 2u);
}

TEST(Deploy, TimeoutLeavesTheDeployRunning) {
  Fleet fleet;
  fleet.start();
  const auto ran = fleet.deploy({"v1", {"start-delay = 2500"}}, {"--timeout", "1s"});
  EXPECT_TRUE(ended(ran, kTimeout));
  EXPECT_LT(ran.took.count(), 2400);
  EXPECT_FALSE(fleet.app().at("deployment").is_null());
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return version_at(fleet.http()) == "v1"; }));
}

TEST(Deploy, WithoutWaitingReturnsAtOnce) {
  Fleet fleet;
  fleet.start();
  const auto ran = fleet.deploy({"v1", {"start-delay = 1500"}}, {"--no-wait"});
  EXPECT_TRUE(ended(ran, kDone));
  EXPECT_FALSE(fleet.app().at("deployment").is_null());
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return version_at(fleet.http()) == "v1"; }));
}

TEST(Deploy, ARequestInFlightIsFinishedByTheReleaseThatBeganIt) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto peer = fleet.https();
  auto connection = Connection::open(peer);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(connection->send(request_text(peer, "GET", "/slow?ms=2000")));
  ASSERT_TRUE(under_way(fleet, 1));
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  ASSERT_EQ(fleet.wait_phase(id, "drain"), "drain");
  EXPECT_TRUE(serves(fleet, "v2"));
  const auto response = connection->receive();
  ASSERT_TRUE(response) << response.error().text;
  EXPECT_EQ(version_of(response->body).value_or("none"), "v1");
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
}

TEST(Deploy, ARollbackOvertakesADeployThatStillDrains) {
  FleetSetup setup;
  setup.demo_apps[0].instances = 1;  // all of the old ones must still drain
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = fleet.instance_pids();
  const auto peer = fleet.http();
  auto slow = Connection::open(peer);
  ASSERT_TRUE(slow);
  ASSERT_TRUE(slow->send(request_text(peer, "GET", "/slow?ms=4000")));
  ASSERT_TRUE(under_way(fleet, 1));
  Program deploy({program_path("fleetctl"), "--socket", fleet.api().unix_path, "deploy", fleet.pack({"v2"})}, {}, "",
                 "");
  ASSERT_TRUE(eventually(milliseconds(5000), [&] {
    const auto app = fleet.app();
    return app.at("deployment").is_object() && app.at("deployment").at("phase") == "drain";
  }));
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_EQ(deploy.wait(milliseconds(10000)).value_or(-1), kRolledBack);
  const auto answer = slow->receive();
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_EQ(version_of(answer->body).value_or("none"), "v1");
  EXPECT_TRUE(settled(fleet, 1));
  EXPECT_EQ(fleet.instance_pids(), before) << "the old release never ended";
}

TEST(Deploy, ARequestLongerThanTheDrainLimitIsCutAndSaidSo) {
  FleetSetup setup;
  setup.demo_apps[0].drain = {"timeout = \"1s\"", "stop_timeout = \"1s\""};
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto peer = fleet.http();
  auto connection = Connection::open(peer);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(connection->send(request_text(peer, "GET", "/slow?ms=20000")));
  ASSERT_TRUE(under_way(fleet, 1));
  const auto deployed = fleet.deploy({"v2"});
  EXPECT_TRUE(ended(deployed, kDone));
  EXPECT_GE(deployed.took.count(), 1000);
  EXPECT_LT(deployed.took.count(), 5000);
  const auto response = connection->receive();
  EXPECT_TRUE(!response || response->status == 502 || response->status == 504) << "a clean end: " << response->status;
  EXPECT_TRUE(serves(fleet, "v2"));
}

TEST(Deploy, AnOldReleaseThatWillNotEndIsKilledWithItsWholeTree) {
  FleetSetup setup;
  setup.demo_apps[0].drain = {"timeout = \"5s\"", "stop_timeout = \"1s\""};
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1", {"ignore-sigterm = true", "grandchild = true"}}), kDone));
  EXPECT_EQ(servers_running(), 4u) << "two servers, two grandchildren";
  Traffic traffic(fleet);
  traffic.flow();
  EXPECT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  EXPECT_EQ(servers_running(), 2u);
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1", "v2"}));
}

TEST(Deploy, TalksJsonLineByLineWhenAsked) {
  Fleet fleet;
  fleet.start();
  const auto ran = fleet.deploy({"v1"}, {"--json"});
  ASSERT_TRUE(ended(ran, kDone));
  std::vector<std::string> types;
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) {
    const auto event = Json::parse(line, nullptr, false);
    ASSERT_TRUE(event.is_object()) << line;
    types.push_back(event.value("type", ""));
  }
  EXPECT_GE(types.size(), 5u);
  EXPECT_EQ(std::ranges::count(types, "deployment.finished"), 1);
  EXPECT_EQ(types.back(), "result");
}

}  // namespace
}  // namespace fleet::test
