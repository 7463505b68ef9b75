// C3: somebody removes or edits what is fleetd's. What runs is not touched, status names it, and the next deploy mends it.
#include <algorithm>
#include <filesystem>

#include "expect.hpp"
#include "os/process.hpp"
#include "os/process_tree.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

class ChangedByHand : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet.start();
    artifact = fleet.pack({"v1"});
    ASSERT_TRUE(ended(fleet.ctl({"deploy", artifact}), kDone));
    instances = fleet.instance_pids();
    traffic.emplace(fleet);
    traffic->flow();
  }
  void TearDown() override {
    EXPECT_TRUE(lossless(traffic->stop(100), {"v1"}));
    EXPECT_TRUE(settled(fleet));
    EXPECT_EQ(servers_running(), 2u);
  }
  std::string shown() const { return fleet.ctl({"status"}).out; }

  Fleet fleet;
  std::string artifact;
  std::optional<Traffic> traffic;
  std::vector<pid_t> instances;
};

TEST_F(ChangedByHand, C3_AReleaseThatIsRemovedServesOnAndIsMendedByTheNextDeployOfTheSameBuild) {
  fs::remove_all(fleet.root() + "/state/releases/shop/1");
  EXPECT_NE(shown().find("shop: nothing of it can be started: the files of v1 are gone: deploy it again\n"), std::string::npos)
      << shown();
  fleet.kill();
  fleet.start();
  traffic->flow();
  EXPECT_EQ(fleet.instance_pids(), instances) << "nobody is started anew for it";
  EXPECT_EQ(fleet.ctl({"restart"}).code, kUsage);
  const auto planned = fleet.ctl({"plan", artifact}).out;
  EXPECT_NE(planned.find("a deploy would change:\n  files\n"), std::string::npos) << planned;
  EXPECT_TRUE(ended(fleet.ctl({"deploy", "--if-changed", artifact}), kDone));
  EXPECT_EQ(fleet.app().at("release"), 2);
  EXPECT_EQ(fleet.app().at("problem"), "");
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_TRUE(ended(fleet.ctl({"restart"}), kDone));
  EXPECT_TRUE(ended(fleet.ctl({"deploy", artifact}), kDone));
  EXPECT_EQ(fleet.app().at("release"), 2) << "which needs no mending any more";
}

TEST_F(ChangedByHand, C3_AnInstanceWhoseShimsSocketIsRemovedServesOnUntilAnotherHasTakenItsPlace) {
  const auto id = fleet.app().at("instances").at(0).at("id").get<std::string>();
  const auto pid = fleet.app().at("instances").at(0).at("pid").get<pid_t>();
  const auto shim = os::process_entry(pid)->parent;
  ASSERT_TRUE(fs::remove(fleet.root() + "/run/shim/" + id));
  EXPECT_EQ(fleet.instance_pids(), instances);
  fleet.kill();
  fleet.start();
  const auto gone = [](pid_t one) {
    const auto entry = os::process_entry(one);
    return !entry || entry->zombie;  // its parent is now this test
  };
  EXPECT_TRUE(eventually(milliseconds(20000), [&] { return gone(pid) && gone(shim); }));
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return bool(settled(fleet)); }));
}

TEST_F(ChangedByHand, C3_AFileOfSettingsThatIsEditedIsNotInForceUntilItIsLoaded) {
  const auto before = read_whole(fleet.config_path());
  EXPECT_EQ(fleet.status().at("config_changed"), false);
  write_whole(fleet.config_path(), before + "\n[app.more]\nhosts = [\"more.example\"]\ncommand = [\"./server\"]\n");
  EXPECT_EQ(fleet.status().at("config_changed"), true);
  EXPECT_NE(shown().find(fleet.config_path() + ": changed since it was loaded, not in force"), std::string::npos) << shown();
  EXPECT_EQ(shown().find("more"), std::string::npos);
  EXPECT_TRUE(ended(fleet.ctl({"reload"}), kDone));
  EXPECT_EQ(fleet.status().at("config_changed"), false);
  write_whole(fleet.config_path(), before);
  EXPECT_TRUE(ended(fleet.ctl({"reload"}), kDone));
  EXPECT_EQ(fleet.instance_pids(), instances);
}

}  // namespace
}  // namespace fleet::test
