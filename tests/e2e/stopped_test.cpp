// A4: fleetd is stopped for longer than any timeout of a health check. What passed meanwhile is nobody's fault.
#include <signal.h>

#include "expect.hpp"

namespace fleet::test {
namespace {

constexpr milliseconds kStopped{3500};

class Stopped : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps[0].health = {"path = \"/health\"", "interval = \"100ms\"", "timeout = \"300ms\"", "healthy = 1",
                                 "unhealthy = 1", "unhealthy_restart = \"1s\"", "start_timeout = \"3s\""};
    setup.demo_apps[0].drain = {"timeout = \"5s\"", "stop_timeout = \"2s\""};
    return setup;
  }
  void SetUp() override {
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
    traffic.emplace(fleet);
    traffic->flow();
  }
  // Nothing that can be waited for tells that a time has passed.
  void stop_for_long() {
    fleet.daemon().signal(SIGSTOP);
    const auto requests = traffic->progress().requests;
    pause_for(kStopped);
    EXPECT_GT(traffic->progress().requests, requests + 300) << "all serve meanwhile";
    fleet.daemon().signal(SIGCONT);
  }
  void all_is_well(const std::string& version) {
    EXPECT_TRUE(serves(fleet, version));
    EXPECT_TRUE(settled(fleet));
    const auto app = fleet.app();
    for (const auto& instance : app.at("instances")) EXPECT_EQ(instance.at("restarts"), 0) << instance.dump();
    const auto events = fleet.ctl({"events"}).out;
    for (const auto* blamed : {"out of rotation", "does not recover", "is down", "is degraded"}) {
      EXPECT_EQ(events.find(blamed), std::string::npos) << events;
    }
  }

  Fleet fleet{setup()};
  std::optional<Traffic> traffic;
};

TEST_F(Stopped, A4_I_WhatRanRunsAndNothingIsTakenForItsFault) {
  const auto instances = fleet.instance_pids();
  const auto workers = fleet.worker_pids();
  stop_for_long();
  traffic->flow();
  all_is_well("v1");
  EXPECT_EQ(fleet.instance_pids(), instances);
  EXPECT_EQ(fleet.worker_pids(), workers);
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1"}));
}

TEST_F(Stopped, A4_H_ACandidateHasTheTimeThatItWasGiven) {
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 500", "unhealthy-for = 4000"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  stop_for_long();
  const auto view = fleet.wait_end(id);
  EXPECT_EQ(view.at("state"), "succeeded") << view.dump(2);
  all_is_well("v2");
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1", "v2"}));
}

TEST_F(Stopped, A4_R_TheSwitchIsFinished) {
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 500"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  const auto worker = fleet.worker_pids().at(0);  // it cannot acknowledge, so that the phase lasts
  ::kill(worker, SIGSTOP);
  const auto seen = fleet.wait_phase(id, "commit");
  fleet.daemon().signal(SIGSTOP);
  ::kill(worker, SIGCONT);
  EXPECT_EQ(seen, "commit");
  stop_for_long();
  const auto view = fleet.wait_end(id);
  EXPECT_EQ(view.at("state"), "succeeded") << view.dump(2);
  all_is_well("v2");
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1", "v2"}));
}

TEST_F(Stopped, A4_D_ARequestOfTheOldReleaseIsFinished) {
  const auto peer = fleet.http();
  auto slow = Connection::open(peer);
  ASSERT_TRUE(slow);
  ASSERT_TRUE(slow->send(request_text(peer, "GET", "/slow?ms=4000")));
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  ASSERT_EQ(fleet.wait_phase(id, "drain"), "drain");
  stop_for_long();
  const auto view = fleet.wait_end(id);
  EXPECT_EQ(view.at("state"), "succeeded") << view.dump(2);
  const auto answer = slow->receive();
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_EQ(version_of(answer->body).value_or("none"), "v1");
  all_is_well("v2");
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1", "v2"}));
}

}  // namespace
}  // namespace fleet::test
