// C5: the time of day jumps by years and back, as fleetd sees it. Nothing that it waits for goes by that.
#include <fcntl.h>
#include <unistd.h>

#include "expect.hpp"

namespace fleet::test {
namespace {

constexpr std::int64_t kYear = 365LL * 24 * 3600;  // s

class ClockJumps : public ::testing::Test {
 protected:
  void SetUp() override {
    shift_by(0);
    fleet.launch({{"LD_PRELOAD", program_path("fleet-clock-shift.so")}, {"FLEET_CLOCK_SHIFT", file()}});
    fleet.wait_ready();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
    traffic.emplace(fleet);
    traffic->flow();
  }
  std::string file() const { return fleet.root() + "/clock-shift"; }
  void shift_by(std::int64_t seconds) {
    const os::Fd shift(::open(file().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_EQ(::pwrite(shift.get(), &seconds, sizeof seconds, 0), static_cast<ssize_t>(sizeof seconds));
  }
  // The year that the newest event of fleetd's is of.
  int year() const {
    const auto events = fleet.get("/v1/events").at("events");
    return std::stoi(events.back().at("time").get<std::string>());
  }
  void all_is_well(const std::string& version) {
    EXPECT_TRUE(serves(fleet, version));
    EXPECT_TRUE(settled(fleet));
    const auto app = fleet.app();
    for (const auto& instance : app.at("instances")) EXPECT_EQ(instance.at("restarts"), 0) << instance.dump();
  }

  Fleet fleet;
  std::optional<Traffic> traffic;
};

TEST_F(ClockJumps, C5_I_WhatRunsGoesOnAndIsDeployedAnew) {
  const auto instances = fleet.instance_pids();
  const auto workers = fleet.worker_pids();
  const auto this_year = year();
  unsigned version = 1;
  for (const auto seconds : {10 * kYear, -10 * kYear, std::int64_t{1}, std::int64_t{-1}, std::int64_t{0}}) {
    shift_by(seconds);
    traffic->flow(300);
    if (version == 1) {
      EXPECT_EQ(fleet.instance_pids(), instances);
      EXPECT_EQ(fleet.worker_pids(), workers);
    }
    const auto name = "v" + std::to_string(++version);
    const auto ran = fleet.deploy({name});
    ASSERT_TRUE(ended(ran, kDone));
    EXPECT_LT(ran.took, milliseconds(8000));
    if (std::abs(seconds) > kYear) {
      EXPECT_NE(year(), this_year) << "the test's clock is not believed";
    }
    all_is_well(name);
  }
  EXPECT_EQ(fleet.worker_pids(), workers);
  EXPECT_TRUE(lossless(traffic->stop(1000), {"v1", "v2", "v6"}));
}

TEST_F(ClockJumps, C5_H_ACandidateHasTheTimeThatItWasGivenAndNoMore) {
  const auto good = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 700"}}));
  ASSERT_EQ(fleet.wait_phase(good, "warm"), "warm");
  shift_by(10 * kYear);
  EXPECT_EQ(fleet.wait_end(good).at("state"), "succeeded");
  all_is_well("v2");
  // The other way a deadline would never come.
  const auto bad = fleet.begin_deploy(fleet.pack({"v3", {"never-listen = true"}}));
  ASSERT_EQ(fleet.wait_phase(bad, "warm"), "warm");
  shift_by(-10 * kYear);
  const auto view = fleet.wait_end(bad, milliseconds(15000));
  EXPECT_EQ(view.at("state"), "failed") << view.dump(2);
  all_is_well("v2");
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1", "v2"}));
}

TEST_F(ClockJumps, C5_D_ARequestOfTheOldReleaseIsFinished) {
  const auto peer = fleet.http();
  for (const auto seconds : {10 * kYear, -10 * kYear}) {
    auto slow = Connection::open(peer);
    ASSERT_TRUE(slow);
    ASSERT_TRUE(slow->send(request_text(peer, "GET", "/slow?ms=1500")));
    const auto id = fleet.begin_deploy(fleet.pack({"v" + std::to_string(seconds)}));
    ASSERT_EQ(fleet.wait_phase(id, "drain"), "drain");
    shift_by(seconds);
    EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
    const auto answer = slow->receive();
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(answer->status, 200);
  }
  EXPECT_TRUE(lossless(traffic->stop(600), {"v1"}));
}

}  // namespace
}  // namespace fleet::test
