// B6, D6: the disk under fleetd answers with errors, or takes its time. What is not on it is never taken for done, and
// nothing that serves depends on it.
#include <signal.h>

#include <filesystem>
#include <thread>

#include "expect.hpp"
#include "support/strace.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

class BrokenDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
    traffic.emplace(fleet);
    traffic->flow();
  }
  bool logged(const std::string& text) const { return fleet.daemon_log().find(text) != std::string::npos; }
  void nobody_was_restarted() const {
    EXPECT_TRUE(settled(fleet));
    const auto app = fleet.app();
    for (const auto& instance : app.at("instances")) EXPECT_EQ(instance.at("restarts"), 0) << instance.dump();
    EXPECT_EQ(servers_running(), 2u);
  }

  Fleet fleet;
  std::optional<Traffic> traffic;
};

class BrokenCall : public BrokenDisk, public ::testing::WithParamInterface<const char*> {};

TEST_P(BrokenCall, B6_C_ADeployIsNotTakenOnAndAllServes) {
  {
    Strace broken(fleet.pid(), std::string(GetParam()) + ":error=EIO");
    const auto refused = fleet.deploy({"v2"});
    EXPECT_TRUE(ended(refused, kInternal));
    EXPECT_NE(refused.err.find("cannot record the deployment"), std::string::npos) << refused.err;
    traffic->flow(300);
    EXPECT_TRUE(serves(fleet, "v1"));
    EXPECT_EQ(fleet.call("GET", "/v1/status").status, 200);
    EXPECT_TRUE(fleet.app().at("deployment").is_null());
  }
  EXPECT_TRUE(ended(fleet.deploy({"v3"}), kDone));
  EXPECT_TRUE(serves(fleet, "v3"));
  nobody_was_restarted();
  EXPECT_TRUE(lossless(traffic->stop(400), {"v1", "v3"}));
}

TEST_P(BrokenCall, B6_C_WhatIsUnderWayStandsStillAndIsFinishedLater) {
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 700"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  {
    Strace broken(fleet.pid(), std::string(GetParam()) + ":error=EIO");
    EXPECT_TRUE(eventually([&] { return logged("cannot save, deploys stand still until it works"); })) << fleet.daemon_log();
    traffic->flow(300);
    EXPECT_EQ(fleet.deployment(id).at("state"), "running");
    EXPECT_TRUE(serves(fleet, "v1")) << "the switch is not on record";
    EXPECT_TRUE(eventually([&] { return fleet.status().at("alarms").size() == 1; })) << fleet.status().dump(2);
  }
  const auto view = fleet.wait_end(id);
  EXPECT_EQ(view.at("state"), "succeeded") << view.dump(2);
  EXPECT_TRUE(logged("saving works again"));
  EXPECT_TRUE(eventually([&] { return fleet.status().at("alarms").empty(); })) << fleet.status().dump(2);
  EXPECT_TRUE(serves(fleet, "v2"));
  nobody_was_restarted();
  EXPECT_TRUE(lossless(traffic->stop(400), {"v1", "v2"}));
}

TEST_P(BrokenCall, B6_C_AFleetdThatIsKilledMeanwhileIsNoWorse) {
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 500"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  {
    Strace broken(fleet.pid(), std::string(GetParam()) + ":error=EIO");
    EXPECT_TRUE(eventually([&] { return logged("cannot save"); })) << fleet.daemon_log();
    fleet.daemon().signal(SIGKILL);
  }
  EXPECT_TRUE(fleet.daemon().wait(milliseconds(5000)));
  traffic->flow();
  fleet.start();
  const auto view = fleet.wait_end(id);
  EXPECT_TRUE(serves(fleet, view.at("state") == "succeeded" ? "v2" : "v1")) << view.dump(2);
  EXPECT_TRUE(settled(fleet));
  EXPECT_EQ(servers_running(), 2u);
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1"}));
}

INSTANTIATE_TEST_SUITE_P(, BrokenCall, ::testing::Values("fdatasync,fsync", "pwrite64"), [](const auto& the) {
  return std::string(the.param == std::string("pwrite64") ? "Writes" : "Syncs");
});

// What a read of the database that fails means for who starts: it says so and touches nothing.
TEST_F(BrokenDisk, B6_I_AFleetdThatCannotReadItsDatabaseSaysSoAndHarmsNobody) {
  const auto instances = fleet.instance_pids();
  fleet.kill();
  const auto log = fleet.root() + "/unreadable.log";
  const auto ran = run({"strace", "-o", log, "-P", fleet.root() + "/state/fleet.db", "-e", "inject=pread64:error=EIO",
                        program_path("fleetd"), "--config", fleet.config_path()},
                       {}, milliseconds(15000));
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_NE((ran.err + ran.out).find("disk I/O error"), std::string::npos) << ran.err << ran.out;
  EXPECT_NE(read_whole(log).find("INJECTED"), std::string::npos) << "the test has injected nothing";
  for (const auto& entry : fs::directory_iterator(fleet.root() + "/state")) {
    EXPECT_EQ(entry.path().filename().string().find("damaged"), std::string::npos) << "an error is no damage";
  }
  traffic->flow();
  fleet.start();
  EXPECT_EQ(fleet.instance_pids(), instances);
  EXPECT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  EXPECT_TRUE(lossless(traffic->stop(300), {"v1", "v2"}));
}

// ---- D6 ------------------------------------------------------------------------------------------------------------

TEST_F(BrokenDisk, D6_R_TheProxyNeverWaitsForADiskThatStalls) {
  {
    // The first saves of a deploy, each for longer than what a health check may take.
    Strace stalled(fleet.pid(), "fsync,fdatasync:delay_enter=" + std::to_string(times(1) > 1 ? 5'000'000 : 1'500'000) + ":when=1..4");
    EXPECT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  }
  EXPECT_TRUE(serves(fleet, "v2"));
  nobody_was_restarted();
  const auto verdict = traffic->stop(800);
  EXPECT_TRUE(lossless(verdict, {"v1", "v2"}));
  EXPECT_LT(verdict.load.longest_gap_ms, 1000) << "between two answers of all there were";
}

TEST_F(BrokenDisk, D6_I_WithoutAProcessorToSpareNobodyIsRestarted) {
  {
    std::vector<std::unique_ptr<Program>> busy;
    for (unsigned i = 0; i < 4 * std::max(1u, std::thread::hardware_concurrency()); ++i) {
      busy.push_back(std::make_unique<Program>(std::vector<std::string>{"/bin/sh", "-c", "while :; do :; done"},
                                               Environment{}, "", ""));
    }
    traffic->flow(400, milliseconds(60000));
    EXPECT_TRUE(ended(fleet.deploy({"v2"}), kDone));
    traffic->flow(200, milliseconds(60000));
  }
  nobody_was_restarted();
  EXPECT_EQ(fleet.ctl({"events"}).out.find("out of rotation"), std::string::npos);
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1", "v2"}));
}

}  // namespace
}  // namespace fleet::test
