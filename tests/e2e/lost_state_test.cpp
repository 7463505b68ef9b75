// The record of what runs is lost or damaged; what runs is not.
#include <filesystem>
#include <functional>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

class LostState : public ::testing::Test {
 protected:
  std::string database() const { return fleet.root() + "/state/fleet.db"; }
  // C2: adopted as they are, and no second copy.
  void survives(const std::function<void()>& harm) {
    fleet.start();
    for (const auto* version : {"v1", "v2"}) ASSERT_TRUE(ended(fleet.deploy({version}), kDone));
    const auto instances = fleet.instance_pids();
    const auto workers = fleet.worker_pids();
    Traffic traffic(fleet);
    traffic.flow();
    fleet.kill();
    harm();
    fleet.start();
    traffic.flow();
    EXPECT_EQ(fleet.instance_pids(), instances);
    EXPECT_EQ(fleet.worker_pids(), workers);
    EXPECT_EQ(servers_running(), 2u);
    EXPECT_TRUE(settled(fleet));
    EXPECT_EQ(fleet.app().at("release"), 2);
    EXPECT_NE(fleet.ctl({"events"}).out.find("the record of what runs was lost"), std::string::npos);
    EXPECT_EQ(fleet.ctl({"deploy", fleet.pack({"v2"})}).code, kDone);
    EXPECT_TRUE(ended(fleet.ctl({"rollback", "1"}), kDone));
    EXPECT_TRUE(serves(fleet, "v1"));
    EXPECT_TRUE(ended(fleet.deploy({"v3"}), kDone));
    EXPECT_TRUE(lossless(traffic.stop(600), {"v1", "v2", "v3"}));
    EXPECT_TRUE(settled(fleet));
    EXPECT_EQ(servers_running(), 2u);
  }

  Fleet fleet;
};

TEST_F(LostState, ADeletedDatabase) {
  survives([&] {
    for (const auto* more : {"", "-wal", "-shm"}) fs::remove(database() + more);
  });
}

TEST_F(LostState, ADamagedDatabaseIsSetAside) {
  survives([&] {
    fs::remove(database() + "-wal");
    write_whole(database(), std::string(20'000, 'z'));
  });
  std::size_t aside = 0;
  for (const auto& entry : fs::directory_iterator(fleet.root() + "/state")) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("fleet.db.damaged-") && !name.ends_with("-shm")) ++aside;
  }
  EXPECT_EQ(aside, 1u);
}

TEST_F(LostState, AfterARebootTheCurrentReleaseComesBackAllTheSame) {
  fleet.start();
  for (const auto* version : {"v1", "v2"}) ASSERT_TRUE(ended(fleet.deploy({version}), kDone));
  ASSERT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  fleet.reboot();
  for (const auto* more : {"", "-wal", "-shm"}) fs::remove(database() + more);
  fleet.start();
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_TRUE(settled(fleet));
}

}  // namespace
}  // namespace fleet::test
