// Requests wait rather than fail: on purpose, and when the only instance has crashed. And instances on unix sockets.
#include <signal.h>

#include <filesystem>

#include "expect.hpp"
#include "support/exposition/exposition.hpp"

namespace fleet::test {
namespace {

double waiting(const Fleet& fleet) {
  return read_exposition(fleet.call("GET", "/metrics").body).at("fleet_requests_waiting");
}

TEST(Hold, HoldsAndLetsGoUnderLoadWithoutOneFailure) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  TrafficSetup setup;
  setup.keep_alive = 6, setup.per_request = 2, setup.http2 = 2;
  Traffic traffic(fleet, setup);
  traffic.flow();
  ASSERT_TRUE(ended(fleet.ctl({"hold", "--max", "30s"}), kDone));
  EXPECT_FALSE(fleet.app().at("held_until").is_null());
  EXPECT_NE(fleet.ctl({"status"}).out.find("fleetctl unhold"), std::string::npos);
  // What came before is answered, and everything that the clients can ask at a time waits.
  EXPECT_TRUE(eventually([&] { return waiting(fleet) == 6 + 2 + 2 * 8; })) << waiting(fleet) << " requests wait";
  EXPECT_TRUE(under_way(fleet, 0));
  ASSERT_TRUE(ended(fleet.ctl({"unhold"}), kDone));
  ASSERT_TRUE(ended(fleet.ctl({"unhold"}), kDone)) << "asked twice is asked once";
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1"}));
  EXPECT_TRUE(fleet.app().at("held_until").is_null());
}

TEST(Hold, EndsByItselfThoughFleetdWasKilledMeanwhile) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  ASSERT_TRUE(ended(fleet.ctl({"hold", "--max", "3s"}), kDone));
  fleet.kill();
  const auto began = std::chrono::steady_clock::now();
  const auto answer = fetch(fleet.http(), "GET", "/");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_GT(std::chrono::steady_clock::now() - began, milliseconds(1000));
  fleet.start();
  EXPECT_TRUE(fleet.app().at("held_until").is_null());
}

TEST(Hold, IsTakenOverByTheNextFleetd) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  ASSERT_TRUE(ended(fleet.ctl({"hold", "--max", "10m"}), kDone));
  fleet.kill();
  fleet.start();
  EXPECT_FALSE(fleet.app().at("held_until").is_null());
  ASSERT_TRUE(ended(fleet.ctl({"unhold"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
}

TEST(Hold, TheCrashOfTheOnlyInstanceCostsNoRequest) {
  DemoApp one;
  one.instances = 1;
  FleetSetup setup;
  setup.demo_apps = {one};
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  TrafficSetup gets;  // no POST may be sent twice (R3); of what is in flight, more than R9 lets be repeated at once
  gets.keep_alive = 12, gets.per_request = 0, gets.post_percent = 0, gets.slow_percent = 10;
  Traffic traffic(fleet, gets);
  for (int crashes = 0; crashes < 2; ++crashes) {
    traffic.flow();
    ::kill(fleet.instance_pids().at(0), SIGKILL);
    traffic.flow();
  }
  const auto verdict = traffic.stop(400);
  EXPECT_EQ(verdict.load.failed, 0u) << verdict.text;
}

TEST(UnixSockets, TwoReleasesUnderLoadLoseNothingAndLeaveNoSocket) {
  DemoApp app;
  app.on_socket = true;
  FleetSetup setup;
  setup.demo_apps = {app};
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  for (const auto& instance : fleet.app().at("instances")) {
    EXPECT_EQ(instance.at("port"), 0);
    EXPECT_TRUE(std::filesystem::is_socket(instance.at("socket").get<std::string>()));
  }
  Traffic traffic(fleet);
  traffic.flow();
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  traffic.flow();
  fleet.kill();
  fleet.start();
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(600), {"v1", "v2"}));
  std::size_t sockets = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(fleet.root() + "/run/http/shop")) ++sockets;
  EXPECT_EQ(sockets, 2u) << "those of the former release are gone";
}

}  // namespace
}  // namespace fleet::test
