// Clients of HTTP/2 through what an operator does all day.
#include <algorithm>

#include "expect.hpp"

namespace fleet::test {
namespace {

// Every worker gets a successor, because its listeners are not those of the file any more.
void upgrade_workers(const Fleet& fleet, const std::string& listeners) {
  const auto before = fleet.worker_pids();
  auto text = read_whole(fleet.config_path());
  const auto at = text.find("http = [") + 8;
  write_whole(fleet.config_path(), text.replace(at, text.find(']', at) - at, listeners));
  ASSERT_TRUE(ended(fleet.ctl({"reload"}), kDone));
  const auto replaced = [&] {
    const auto now = fleet.worker_pids();
    return now.size() == before.size() && std::ranges::find_first_of(now, before) == now.end();
  };
  ASSERT_TRUE(eventually(milliseconds(10000), replaced));
}

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
  const auto usual = "\"127.0.0.1:" + std::to_string(fleet.http().port) + "\"";
  for (unsigned i = 0; i < kUpgrades; ++i) {
    const auto further = ", \"127.0.0.1:" + std::to_string(free_port()) + "\"";
    ASSERT_NO_FATAL_FAILURE(upgrade_workers(fleet, i % 2 == 0 ? usual + further : usual));
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
