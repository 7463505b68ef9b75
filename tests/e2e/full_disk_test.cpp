// B5: no room where fleet keeps its state. What serves goes on; deploys fail and say why; with room again all works.
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

// A fleet whose state_dir is a small file system of its own.
class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may mount";
    state = fleet.root() + "/state";
    fs::create_directory(state);
    fs::permissions(state, fs::perms::owner_all);
    ASSERT_EQ(::mount("tmpfs", state.c_str(), "tmpfs", 0, "size=48m,mode=0700"), 0) << strerror(errno);
    mounted = true;
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  }
  void TearDown() override {
    if (!mounted) return;
    EXPECT_EQ(fleet.shutdown(), "");
    EXPECT_EQ(::umount2(state.c_str(), MNT_DETACH), 0);
  }

  std::uint64_t free_bytes() const {
    struct statvfs is {};
    ::statvfs(state.c_str(), &is);
    return is.f_bavail * is.f_frsize;
  }
  void fill() const {
    std::ofstream ballast(state + "/ballast", std::ios::binary);
    const std::string block(64 * 1024, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }

  Fleet fleet;
  std::string state;
  bool mounted = false;
};

TEST_F(FullDisk, B5_ADeployThatDoesNotFitFailsAndGivesItsRoomBack) {
  Traffic traffic(fleet);
  traffic.flow();
  const auto before = free_bytes();
  const auto ran = fleet.deploy({"big", {}, 64u << 20});
  EXPECT_EQ(ran.code, kFetch);
  EXPECT_NE(ran.err.find("not enough space: the download needs "), std::string::npos) << ran.err;
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_GE(free_bytes() + (1u << 20), before) << "logs and records may have grown";
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  EXPECT_TRUE(lossless(traffic.stop(300), {"v1", "v2"}));
}

TEST_F(FullDisk, B5_WithNotOneByteLeftAllServesOnAndRecoversByItself) {
  Traffic traffic(fleet);
  traffic.flow();
  fill();
  EXPECT_NE(fleet.deploy({"v2"}).code, kDone);
  traffic.flow(300);
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_EQ(fleet.call("GET", "/v1/status").status, 200);
  fs::remove(state + "/ballast");
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return fleet.deploy({"v3"}).code == kDone; }));
  EXPECT_TRUE(serves(fleet, "v3"));
  EXPECT_TRUE(lossless(traffic.stop(600), {"v1", "v3"}));
}

TEST_F(FullDisk, B5_AnAlarmSaysThatNothingCanBeSavedAndWhenItCanAgain) {
  Traffic traffic(fleet);
  traffic.flow();
  fill();
  EXPECT_NE(fleet.deploy({"v2"}).code, kDone);
  ASSERT_TRUE(eventually(milliseconds(10000), [&] { return fleet.status().at("alarms").size() == 1; }));
  const auto alarm = fleet.status().at("alarms").at(0);
  EXPECT_EQ(alarm.at("name"), "state_not_saved");
  EXPECT_NE(alarm.at("why").get<std::string>().find("fleet.db"), std::string::npos) << alarm;
  const auto shown = fleet.ctl({"status"});
  ASSERT_TRUE(ended(shown, kDone)) << "the exit code is not the alarm's";
  EXPECT_TRUE(shown.out.starts_with("ALARM for ")) << shown.out;
  EXPECT_NE(fleet.call("GET", "/metrics").body.find("fleet_alarm{alarm=\"state_not_saved\"} 1"), std::string::npos);
  traffic.flow(100);
  fs::remove(state + "/ballast");
  EXPECT_TRUE(eventually(milliseconds(15000), [&] { return fleet.status().at("alarms").empty(); }))
      << "it ends by itself, though nobody deploys";
  const auto events = fleet.ctl({"events"}).out;
  EXPECT_NE(events.find("fleetd cannot save its state"), std::string::npos) << events;
  EXPECT_NE(events.find("fleetd can save its state again; it could not since "), std::string::npos) << events;
  EXPECT_NE(fleet.call("GET", "/metrics").body.find("fleet_alarm{alarm=\"state_not_saved\"} 0"), std::string::npos);
  ASSERT_TRUE(ended(fleet.deploy({"v3"}), kDone));
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1", "v3"}));
}

TEST_F(FullDisk, B5_FleetdThatIsKilledWithoutRoomComesBackWhenThereIsSome) {
  Traffic traffic(fleet);
  traffic.flow();
  fill();
  fleet.kill();
  traffic.flow();
  fs::remove(state + "/ballast");
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1", "v2"}));
}

}  // namespace
}  // namespace fleet::test
