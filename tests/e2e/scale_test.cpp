// Many apps on one machine. The limits are issue 4's, but for the one that says so.
#include <algorithm>
#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

FleetSetup many(unsigned apps, unsigned instances) {
  FleetSetup setup;
  setup.demo_apps.clear();
  for (unsigned i = 0; i < apps; ++i) {
    DemoApp app;
    app.name = "app" + std::to_string(i);
    app.instances = instances;
    app.lines = {"hosts = [\"" + app.name + ".example\"]"};
    app.health = {"path = \"/health\""};
    setup.demo_apps.push_back(std::move(app));
  }
  setup.port_blocks = apps * instances / 100 + 2;
  return setup;
}

void deploy_all(const Fleet& fleet, unsigned apps) {
  const auto artifact = fleet.pack({"v1"});
  std::vector<std::uint64_t> ids;
  for (unsigned i = 0; i < apps; ++i) ids.push_back(fleet.begin_deploy(artifact, "app" + std::to_string(i)));
  for (const auto id : ids) ASSERT_EQ(fleet.wait_end(id).at("state"), "succeeded");
}

std::vector<pid_t> all_pids(const Fleet& fleet) {
  std::vector<pid_t> pids;
  const auto seen = fleet.status();
  for (const auto& app : seen.at("apps")) {
    for (const auto& instance : app.at("instances")) {
      if (instance.at("state") == "ready") pids.push_back(instance.at("pid").get<pid_t>());
    }
  }
  std::ranges::sort(pids);
  return pids;
}

// A1: 50 apps are adopted again in under 200 ms.
TEST(Scale, FiftyAppsAreBackAtOnceAfterFleetdWasKilled) {
  Fleet fleet(many(50, 1));
  fleet.start();
  deploy_all(fleet, 50);
  const auto before = all_pids(fleet);
  ASSERT_EQ(before.size(), 50u);
  std::vector<milliseconds> took;
  for (int i = 0; i < 5; ++i) {
    fleet.kill();
    const auto began = std::chrono::steady_clock::now();
    fleet.start();
    took.push_back(std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began));
    ASSERT_EQ(all_pids(fleet), before) << "the same processes, none started anew";
  }
  std::ranges::sort(took);
  std::printf("fleetd with 50 apps: ready to deploy after a kill in %lld ms (median)\n",
              static_cast<long long>(took[2].count()));
  EXPECT_LT(took[2].count(), 200 * kRoom);
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}), "app7");
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
}

TEST(Scale, TwoHundredInstancesKeepFleetdIdle) {
  Fleet fleet(many(50, 4));
  fleet.start();
  deploy_all(fleet, 50);
  ASSERT_EQ(all_pids(fleet).size(), 200u);
  std::vector<milliseconds> took;
  for (int i = 0; i < 21; ++i) {
    const auto began = std::chrono::steady_clock::now();
    (void)fleet.call("GET", "/v1/status");
    took.push_back(std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began));
  }
  std::ranges::sort(took);
  // Once in its life it copies the proxy's program; after that it is idle.
  const auto copied = [&] { return std::filesystem::exists(fleet.root() + "/state/proxy") && !std::filesystem::is_empty(fleet.root() + "/state/proxy"); };
  ASSERT_TRUE(eventually(milliseconds(30000), copied));
  pause_for(milliseconds(1000));
  const auto before = cpu_time(fleet.pid());
  pause_for(milliseconds(10000));
  const auto used = cpu_time(fleet.pid()) - before;
  std::printf("200 instances of 50 apps: status in %lld ms, idle fleetd %lld ms CPU in 10 s, RSS %llu KiB\n",
              static_cast<long long>(took[10].count()), static_cast<long long>(used.count()),
              static_cast<unsigned long long>(rss_kib(fleet.pid())));
  EXPECT_LT(took[10].count(), 20 * kRoom);
  // Wanted is 1 %, and measured 0.8; half of it is the kernel's waking of 200 applications a second, which a busy machine
  // makes dearer.
  EXPECT_LE(used.count(), 150 * kRoom) << "1.5 % of a processor, health checks included";
}

}  // namespace
}  // namespace fleet::test
