// deploy/cron and deploy/ci, as cron and a CI job would run them.
#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

class Schedule : public ::testing::Test {
 protected:
  Ran turn(const std::string& build) const {
    const auto programs = std::filesystem::path(program_path("fleetctl")).parent_path().string();
    return run({std::string(FLEET_SOURCE_DIR) + "/deploy/cron/fleet-deploy-latest", "shop", build},
               {{"PATH", programs + ":/usr/bin:/bin"}, {"FLEET_SOCKET", fleet.root() + "/run/fleetd.sock"}});
  }
  Fleet fleet;
};

TEST_F(Schedule, DeploysWhatIsNewAndIsSilentWhenAllIsWell) {
  fleet.start();
  const auto v1 = fleet.pack({"v1"}), v2 = fleet.pack({"v2"});
  for (const auto& build : {v1, v1, v2}) {
    const auto version = build == v1 ? "v1" : "v2";
    const auto ran = turn(build);
    EXPECT_TRUE(ended(ran, kDone));
    EXPECT_EQ(ran.out + ran.err, "") << "cron would write mail";
    EXPECT_TRUE(serves(fleet, version));
  }
  EXPECT_EQ(fleet.app().at("release"), 2) << "the same again is no release";
}

TEST_F(Schedule, LeavesItToWhoeverDeploysAlready) {
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto slow = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 1000"}}));
  const auto ran = turn(fleet.pack({"v3"}));
  EXPECT_TRUE(ended(ran, kDone));
  EXPECT_EQ(ran.out + ran.err, "");
  EXPECT_EQ(fleet.wait_end(slow).at("state"), "succeeded");
  EXPECT_TRUE(serves(fleet, "v2"));
}

TEST_F(Schedule, SaysWhatWentWrong) {
  fleet.start();
  const auto ran = turn(fleet.root() + "/there-is-none.tar.gz");
  EXPECT_TRUE(ended(ran, kFetch));
  EXPECT_NE(ran.err.find("there-is-none.tar.gz"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace fleet::test
