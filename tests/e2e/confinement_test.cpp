// Applications that are somebody else than fleetd.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "expect.hpp"
#include "os/cgroup.hpp"
#include "os/process_tree.hpp"

namespace fleet::test {
namespace {

std::string status_line(pid_t pid, const std::string& key) {
  const auto text = read_whole("/proc/" + std::to_string(pid) + "/status");
  const auto at = text.find("\n" + key + ":\t");
  if (at == std::string::npos) return "";
  const auto from = at + key.size() + 3;
  return text.substr(from, text.find('\n', from) - from);
}

std::string limit_line(pid_t pid, const std::string& what) {
  const auto text = read_whole("/proc/" + std::to_string(pid) + "/limits");
  const auto at = text.find(what);
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

FleetSetup only(const DemoApp& app) {
  FleetSetup setup;
  setup.demo_apps = {app};
  return setup;
}

TEST(Confinement, RunsTheAppWithWhatIsItsAndNothingElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can run things as others";
  DemoApp app;
  app.lines = {"user = \"nobody\"", "group = \"daemon\"", "memory_max = \"256MiB\"", "pids_max = 4321", "open_files = 512"};
  Fleet fleet(only(app));
  ::chmod(fleet.root().c_str(), 0711);
  ::chmod(fleet.ledgers().c_str(), 0777);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet, {.keep_alive = 6, .per_request = 2, .rate = 200});
  traffic.flow(100);
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  traffic.flow(100);
  for (const auto pid : fleet.instance_pids()) {
    EXPECT_EQ(status_line(pid, "Uid"), "65534\t65534\t65534\t65534");
    EXPECT_EQ(status_line(pid, "Gid"), "1\t1\t1\t1");
    EXPECT_EQ(status_line(pid, "CapEff"), "0000000000000000");
    EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
    EXPECT_NE(limit_line(pid, "Max open files").find(" 512 "), std::string::npos);
    EXPECT_NE(limit_line(pid, "Max data size").find(" 268435456 "), std::string::npos);
    EXPECT_NE(limit_line(pid, "Max processes").find(" 4321 "), std::string::npos);
  }
  // What it may and may not touch, tried as it.
  const auto tries = [&](const std::string& test) {
    return run({"/usr/bin/setpriv", "--reuid=65534", "--regid=1", "--clear-groups", "/bin/sh", "-c", test}).code;
  };
  const auto state = fleet.root() + "/state";
  EXPECT_EQ(tries("test -r " + state + "/releases/shop/1/bin/server"), 0);
  EXPECT_EQ(tries("touch " + state + "/data/shop/mine"), 0);
  EXPECT_NE(tries("touch " + state + "/releases/shop/1/mine 2>&-"), 0);
  EXPECT_NE(tries("ls " + state + "/tls 2>&-"), 0);
  EXPECT_NE(tries("cat " + state + "/fleet.db 2>&-"), 0);
  EXPECT_NE(tries("ls " + fleet.root() + "/run 2>&-"), 0);
  EXPECT_NE(tries("ls " + fleet.root() + "/run/shim 2>&-"), 0);
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1", "v2"}));
  EXPECT_TRUE(settled(fleet));
}

TEST(Confinement, AUserThatThereIsNotIsRefusedWithItsPlace) {
  DemoApp app;
  app.lines = {"user = \"nobody-of-fleet\""};
  Fleet fleet(only(app));
  const auto ran = fleet.ctl({"config", "check", fleet.config_path()});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_NE(ran.err.find("app \"shop\": user: \"nobody-of-fleet\" is no user of this machine"), std::string::npos) << ran.err;
}

TEST(Confinement, AUserThatThereIsNotIsTheTroubleOfThatAppAlone) {
  DemoApp ghost;
  ghost.name = "ghost";
  ghost.lines = {"path = \"/ghost\"", "user = \"nobody-of-fleet\""};
  FleetSetup setup;
  setup.demo_apps.push_back(ghost);
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}, {"--app", "shop"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_NE(fleet.app("ghost").at("problem").get<std::string>().find("no user \"nobody-of-fleet\" on this machine"),
            std::string::npos);
  EXPECT_EQ(fleet.app("shop").at("problem"), "");
  EXPECT_NE(fleet.ctl({"status"}).out.find("ghost: nothing of it can be started: app \"ghost\": no user"),
            std::string::npos);
  const auto refused = fleet.deploy({"v1"}, {"--app", "ghost"});
  EXPECT_TRUE(ended(refused, kUsage));
  EXPECT_NE(refused.err.find("no user \"nobody-of-fleet\" on this machine"), std::string::npos) << refused.err;
  EXPECT_EQ(fleet.ctl({"reload"}).code, kUsage) << "what is in force is not changed to what would not do";
}

// What ran when its user was taken away runs on; what ends is not started again until the user is back.
TEST(Confinement, AUserThatIsGoneWhenFleetdComesBackStopsNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can run things as others";
  DemoApp app;
  app.lines = {"user = \"nobody\""};
  FleetSetup setup;
  setup.demo_apps = {app};
  Fleet fleet(setup);
  ::chmod(fleet.root().c_str(), 0711);
  ::chmod(fleet.ledgers().c_str(), 0777);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = fleet.instance_pids();
  fleet.kill();
  auto config = read_whole(fleet.config_path());
  const std::string user = "user = \"nobody\"";
  config.replace(config.find(user), user.size(), "user = \"nobody-of-fleet\"");
  write_whole(fleet.config_path(), config);
  fleet.start();
  EXPECT_EQ(fleet.instance_pids(), before);
  EXPECT_TRUE(serves(fleet, "v1"));
  ASSERT_EQ(::kill(before[0], SIGKILL), 0);
  EXPECT_TRUE(eventually(milliseconds(10000), [&] {
    return fleet.ctl({"status"}).out.find("last: could not be started: app \"shop\": no user") != std::string::npos;
  }));
  EXPECT_TRUE(serves(fleet, "v1")) << "the other one is there";
}

TEST(Confinement, AnAppThatCouldLeadTheProxyToAnySocketIsRefused) {
  DemoApp app;
  app.on_socket = true;
  app.lines = {"user = \"nobody\""};
  Fleet fleet(only(app));
  const auto ran = fleet.ctl({"config", "check", fleet.config_path()});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_NE(ran.err.find("app \"shop\": listen: \"unix\" is not for an app with a user of its own"), std::string::npos) << ran.err;
}

// The cgroups of what this fleet has started, or nothing where none can be made.
std::vector<std::string> cgroups_of(const Fleet& fleet) {
  std::vector<std::string> names;
  std::error_code error;
  const auto own = os::own_cgroup_folder() + "/fleet-" + os::cgroup_name(fleet.root() + "/state");
  for (const auto& entry : std::filesystem::directory_iterator(own, error)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  return names;
}

TEST(Confinement, B_CgroupsAreOfWhatRunsAndGoneWithIt) {
  Fleet fleet;
  fleet.start();
  if (cgroups_of(fleet).empty()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  EXPECT_EQ(cgroups_of(fleet).size(), 4u);
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return cgroups_of(fleet).size() == 4; }));
  fleet.kill();
  fleet.start();
  EXPECT_EQ(cgroups_of(fleet).size(), 4u);
  EXPECT_EQ(fleet.shutdown(), "");
  EXPECT_TRUE(cgroups_of(fleet).empty());
}

class ShimKilled : public ::testing::Test {
 protected:
  // SIGKILL to the shim of one instance, after SIGKILL to fleetd if it is to be away.
  void kill_shim(bool away = false) {
    const auto pid = fleet.instance_pids().at(0);
    if (away) fleet.kill();
    const auto entry = os::process_entry(pid);
    ASSERT_TRUE(entry);
    ASSERT_EQ(::kill(entry->parent, SIGKILL), 0);
    lost = pid;
  }
  static bool runs(pid_t pid) {
    const auto entry = os::process_entry(pid);
    return entry && !entry->zombie;  // its parent is now this test
  }
  bool replaced() {
    const auto pids = fleet.instance_pids();
    return pids.size() == 2 && std::ranges::find(pids, lost) == pids.end() && !runs(lost);
  }
  Fleet fleet;
  pid_t lost = 0;
};

TEST_F(ShimKilled, A6_I_ItsAppServesOnUntilOthersHaveTakenItsPlace) {
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  kill_shim();
  EXPECT_TRUE(eventually(milliseconds(20000), [&] { return replaced(); }));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(300), {"v1"}));
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return bool(settled(fleet)); }));
}

TEST_F(ShimKilled, A6_I_SoItDoesWhenFleetdWasAway) {
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  kill_shim(true);
  fleet.start();
  EXPECT_TRUE(eventually(milliseconds(20000), [&] { return replaced(); }));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(300), {"v1"}));
}

}  // namespace
}  // namespace fleet::test
