// Programs of fleet's own that are replaced while they work.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "expect.hpp"
#include "os/process_tree.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

// A fleet whose programs are copies, so that a test may change them.
class Upgrade : public ::testing::Test {
 protected:
  explicit Upgrade(FleetSetup setup = {}) : fleet(std::move(setup)), programs_(fleet.root() + "/programs") {
    fs::create_directory(programs_);
    for (const auto* name : {"fleetd", "fleet-proxy", "fleet-shim", "fleet-fetch", "fleetctl"}) install(name);
  }
  // As a package does it: a new file in the place of the old one.
  void install(const std::string& name) const {
    fs::copy_file(program_path(name), programs_ + "/new", fs::copy_options::overwrite_existing);
    fs::rename(programs_ + "/new", programs_ + "/" + name);
  }
  void install_script(const std::string& name, const std::string& script) const {
    write_whole(programs_ + "/new", "#!/bin/sh\n" + script + "\n");
    ::chmod((programs_ + "/new").c_str(), 0755);
    fs::rename(programs_ + "/new", programs_ + "/" + name);
  }
  void begin() {
    fleet.launch({}, programs_ + "/fleetd");
    fleet.wait_ready();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  }

  Fleet fleet;
  const std::string programs_;
};

TEST_F(Upgrade, OfTheWorkersUnderLoadLosesNothing) {
  begin();
  Traffic traffic(fleet);
  traffic.flow();
  auto former = fleet.worker_pids();
  for (int round = 0; round < 3; ++round) {
    install("fleet-proxy");
    const auto ran = fleet.ctl({"proxy", "upgrade"});
    ASSERT_TRUE(ended(ran, kDone));
    EXPECT_EQ(ran.out, "2 new proxy workers accept\n");
    const auto now = fleet.worker_pids();
    for (const auto pid : now) EXPECT_EQ(std::ranges::count(former, pid), 0) << "a former worker still accepts";
    former = now;
    traffic.flow();
  }
  EXPECT_TRUE(lossless(traffic.stop(800), {"v1"}));
}

// While the old release drains, with naive clients, HTTP/2, and WebSockets that hold both drains up. FLEET_TIMES=50: a
// hundred upgrades.
class UpgradeInDrain : public Upgrade {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps[0].drain = {"timeout = \"10s\"", "streams = \"1500ms\"", "stop_timeout = \"5s\""};
    return setup;
  }
  UpgradeInDrain() : Upgrade(setup()) {}
};

TEST_F(UpgradeInDrain, A8_D_OfTheWorkersLosesNothing) {
  begin();
  TrafficSetup setup;
  setup.http2 = 3, setup.websockets = 4, setup.stream_percent = 2;
  Traffic traffic(fleet, setup);
  traffic.flow();
  auto former = fleet.worker_pids();
  unsigned in_drain = 0;
  const unsigned rounds = times(2);
  for (unsigned round = 0; round < rounds; ++round) {
    const auto version = "v" + std::to_string(round + 2);
    const auto id = fleet.begin_deploy(fleet.pack({version}));
    ASSERT_EQ(fleet.wait_phase(id, "drain"), "drain");
    install("fleet-proxy");
    ASSERT_TRUE(ended(fleet.ctl({"proxy", "upgrade"}), kDone));
    in_drain += fleet.deployment(id).at("phase") == "drain" ? 1 : 0;
    const auto now = fleet.worker_pids();
    EXPECT_EQ(now.size(), 2u);
    for (const auto pid : now) EXPECT_EQ(std::ranges::count(former, pid), 0) << "a former worker still accepts";
    former = now;
    const auto view = fleet.wait_end(id);
    EXPECT_EQ(view.at("state"), "succeeded") << view.dump(2);
    EXPECT_TRUE(serves(fleet, version));
    traffic.flow();
  }
  EXPECT_GT(in_drain, 0u) << "no drain lasted longer than an upgrade";
  const auto verdict = traffic.stop(600);
  EXPECT_TRUE(lossless(verdict, {"v1", "v" + std::to_string(rounds + 1)}));
  EXPECT_GT(verdict.load.echoes, 50u);
  EXPECT_GE(verdict.load.tunnels, 4 * rounds) << "each release, or worker, closes them";
}

TEST_F(Upgrade, ToAWorkerThatDoesNotComeUpChangesNothing) {
  begin();
  Traffic traffic(fleet);
  const auto former = fleet.worker_pids();
  install_script("fleet-proxy", "echo this is no proxy >&2; exit 3");
  const auto ran = fleet.ctl({"proxy", "upgrade"});
  ASSERT_TRUE(ended(ran, kUnhealthy));
  EXPECT_NE(ran.err.find("the new worker of slot 0 does not come up: it exited with code 3"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("the former ones go on"), std::string::npos) << ran.err;
  traffic.flow();
  EXPECT_EQ(fleet.worker_pids(), former);
  install("fleet-proxy");
  EXPECT_TRUE(ended(fleet.ctl({"proxy", "upgrade"}), kDone));
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1"}));
}

// ---- of fleetd itself ----------------------------------------------------------------------------------------------

std::vector<pid_t> zombies_of(pid_t parent) {
  std::vector<pid_t> found;
  for (const auto& entry : os::processes()) {
    if (entry.parent == parent && entry.zombie) found.push_back(entry.pid);
  }
  return found;
}

TEST_F(Upgrade, OfFleetdDuringDeploysUnderLoadLosesNothing) {
  begin();
  const auto workers = fleet.worker_pids();
  const auto pid = fleet.status().at("pid");
  Traffic traffic(fleet);
  traffic.flow();
  std::string started = fleet.status().at("started_at");
  for (int round = 2; round < 12; ++round) {
    const auto version = "v" + std::to_string(round);
    const auto id = fleet.begin_deploy(fleet.pack({version}));
    pause_for(milliseconds(round * 30));
    install("fleetd");
    const auto ran = fleet.ctl({"upgrade", "--no-workers"});
    ASSERT_TRUE(ended(ran, kDone)) << fleet.daemon_log();
    EXPECT_EQ(ran.out, "fleetd 0.1.0 -> 0.1.0, pid " + pid.dump() + "\n");
    const auto view = fleet.wait_end(id);
    EXPECT_EQ(view.at("state"), "succeeded") << view.dump(2);
    EXPECT_TRUE(serves(fleet, version));
    const auto now = fleet.status();
    EXPECT_EQ(now.at("pid"), pid);
    EXPECT_NE(now.at("started_at"), started);
    started = now.at("started_at");
  }
  EXPECT_EQ(fleet.worker_pids(), workers);
  EXPECT_EQ(servers_running(), 2u);
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return zombies_of(pid).empty(); })) << "children are not reaped";
  EXPECT_NE(fleet.ctl({"events"}).out.find("has taken over from 0.1.0"), std::string::npos);
  EXPECT_TRUE(lossless(traffic.stop(800), {"v1", "v11"}));
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST_F(Upgrade, IsFollowedByThatOfTheWorkers) {
  begin();
  const auto former = fleet.worker_pids();
  const auto instances = fleet.instance_pids();
  Traffic traffic(fleet);
  const auto ran = fleet.ctl({"upgrade"});
  ASSERT_TRUE(ended(ran, kDone));
  EXPECT_NE(ran.out.find("2 new proxy workers accept\n"), std::string::npos) << ran.out;
  for (const auto pid : fleet.worker_pids()) EXPECT_EQ(std::ranges::count(former, pid), 0);
  EXPECT_EQ(fleet.instance_pids(), instances);
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1"}));
}

// It passes its trial, becomes fleetd, and dies: nobody is there to start another, but the one before left a guard.
TEST_F(Upgrade, ToAFleetdThatDiesSoonAfterIsUndone) {
  begin();
  Traffic traffic(fleet);
  const auto former = fleet.pid();
  install_script("fleetd", "case \"$*\" in *--check*) exec " + program_path("fleetd") + " \"$@\";; esac; sleep 0.3; exit 9");
  const auto ran = fleet.ctl({"upgrade", "--no-workers"});
  EXPECT_TRUE(ended(ran, kInternal));
  EXPECT_NE(ran.err.find("the new fleetd has ended soon after it took over"), std::string::npos) << ran.err;
  const auto now = fleet.status();
  EXPECT_NE(now.at("pid"), former);
  EXPECT_NE(fleet.ctl({"events"}).out.find("the fleetd that had taken over has ended soon after"), std::string::npos);
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1", "v2"}));
  EXPECT_TRUE(ended(fleet.ctl({"shutdown", "--apps"}), kDone));
  EXPECT_TRUE(eventually(milliseconds(10000), [] {
    for (const auto& entry : os::processes()) {
      if (entry.zombie && entry.parent == ::getpid()) ::waitpid(entry.pid, nullptr, WNOHANG);
    }
    return strays().empty();
  }));
}

// Told to end, it ends, however soon that is after an upgrade.
TEST_F(Upgrade, IsNotUndoneByAnEndThatWasAskedFor) {
  begin();
  ASSERT_TRUE(ended(fleet.ctl({"upgrade", "--no-workers"}), kDone));
  ASSERT_TRUE(ended(fleet.ctl({"shutdown"}), kDone));
  ASSERT_EQ(fleet.daemon().wait(milliseconds(10000)), 0);
  const auto guards = [] {
    return std::ranges::count_if(strays(), [](pid_t pid) { return read_whole("/proc/" + std::to_string(pid) + "/comm") == "fleetd-guard\n"; });
  };
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return guards() == 0; }));
  EXPECT_FALSE(fetch(fleet.api(), "GET", "/healthz"));
  fleet.launch({}, programs_ + "/fleetd");
  fleet.wait_ready();
  EXPECT_TRUE(serves(fleet, "v1"));
}

// Whatever is wrong with it, the running fleetd says so and goes on.
TEST_F(Upgrade, ToAFleetdThatWillNotDoChangesNothing) {
  begin();
  Traffic traffic(fleet);
  const auto started = fleet.status().at("started_at");
  const auto refused = [&](const std::string& why, std::vector<std::string> more = {}) {
    more.insert(more.begin(), "upgrade");
    const auto ran = fleet.ctl(more);
    EXPECT_TRUE(ended(ran, kUsage));
    EXPECT_NE(ran.err.find(why), std::string::npos) << ran.err;
    EXPECT_EQ(fleet.status().at("started_at"), started);
  };
  install_script("fleetd", "echo cannot find libnew.so >&2; exit 127");
  refused("it exited with code 127: cannot find libnew.so");
  install_script("fleetd", "echo hello");
  refused("it is no fleetd");
  install_script("fleetd", R"(echo '{"version":"9","protocol":99,"state_dir":"x","run_dir":"y"}')");
  refused("it speaks protocol 99");
  install("fleetd");
  ::chmod((programs_ + "/fleetd").c_str(), 0777);
  refused("others than root and fleetd's user can change it");
  install("fleetd");
  fs::rename(programs_ + "/fleet-shim", programs_ + "/gone");
  refused("cannot run " + programs_ + "/fleet-shim");
  fs::rename(programs_ + "/gone", programs_ + "/fleet-shim");
  const auto config = read_whole(fleet.config_path());
  write_whole(fleet.config_path(), config + "\n[nonsense]\n");
  refused("nonsense");
  write_whole(fleet.config_path(), config);
  refused("cannot use /nowhere/fleetd", {"--binary", "/nowhere/fleetd"});
  EXPECT_TRUE(ended(fleet.ctl({"upgrade", "--no-workers", "--binary", program_path("fleetd")}), kDone));
  EXPECT_NE(fleet.status().at("started_at"), started);
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1"}));
}

}  // namespace
}  // namespace fleet::test
