// Clients of HTTP/2 through what an operator does all day.
#include <algorithm>

#include "expect.hpp"

namespace fleet::test {
namespace {

TEST(Http2, DeploysRollbackRestartAndWorkerUpgradesLoseNothing) {
  constexpr unsigned kClients = 6, kUpgrades = 5;
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  TrafficSetup setup;
  setup.keep_alive = 0, setup.per_request = 0, setup.http2 = kClients, setup.rate = 600;
  setup.stream_percent = 2, setup.slow_ms = 600;
  Traffic traffic(fleet, setup);
  setup.keep_alive = 6, setup.per_request = 2, setup.http2 = 0, setup.rate = 150;
  Traffic naive(fleet, setup);
  traffic.flow();
  for (const auto* version : {"v2", "v3"}) {
    ASSERT_TRUE(ended(fleet.deploy({version}), kDone));
    traffic.flow();
  }
  ASSERT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  traffic.flow();
  ASSERT_TRUE(ended(fleet.ctl({"restart"}), kDone));
  traffic.flow();
  for (unsigned i = 0; i < kUpgrades; ++i) {
    const auto before = fleet.worker_pids();
    ASSERT_TRUE(ended(fleet.ctl({"proxy", "upgrade"}), kDone));
    const auto now = fleet.worker_pids();
    ASSERT_EQ(std::ranges::find_first_of(now, before), now.end()) << "a former worker still accepts";
    traffic.flow(300);
  }
  ASSERT_TRUE(ended(fleet.deploy({"v4"}), kDone));
  traffic.flow();
  const auto verdict = traffic.stop(2500);
  EXPECT_TRUE(lossless(verdict, {"v1", "v2", "v3", "v4"}));
  EXPECT_GE(verdict.load.connections, kClients * (1 + kUpgrades)) << "each upgrade tells each connection to leave";
  EXPECT_TRUE(lossless(naive.stop(600), {"v1", "v2", "v3", "v4"}));
}

}  // namespace
}  // namespace fleet::test
