// Nothing dies with anything else, and after any crash the next start finishes or undoes what was under way.
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include <filesystem>
#include <random>

#include "expect.hpp"
#include "support/file_server.hpp"

namespace fleet::test {
namespace {

TEST(Recovery, AKilledSupervisorCostsNoRequestAndItsSuccessorAdoptsWhatRuns) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto instances = fleet.instance_pids();
  const auto workers = fleet.worker_pids();
  ASSERT_EQ(instances.size(), 2u);
  ASSERT_EQ(workers.size(), 2u);
  Traffic traffic(fleet);
  traffic.flow();
  fleet.kill();
  traffic.flow();
  fleet.start();
  traffic.flow();
  EXPECT_EQ(fleet.instance_pids(), instances);
  EXPECT_EQ(fleet.worker_pids(), workers);
  const auto adopted = fleet.app();
  for (const auto& instance : adopted.at("instances")) EXPECT_EQ(instance.at("restarts"), 0);
  EXPECT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(800), {"v1", "v2"}));
  EXPECT_EQ(servers_running(), 2u);
}

// kill -9 of fleetd while a deploy of v2 over v1 is in a phase that the test has made long.
class KilledIn : public ::testing::Test {
 protected:
  void begin(const Build& old) {
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy(old), kDone));
    traffic.emplace(fleet);
    traffic->flow();
  }
  void kill_in(std::uint64_t id, const std::string& phase) {
    ASSERT_EQ(fleet.wait_phase(id, phase), phase) << "the test did not catch the phase";
    fleet.kill();
    traffic->flow();
  }
  // The deploy has ended one way or the other, and the fleet is whole.
  void comes_right(std::uint64_t id, bool must_succeed) {
    fleet.start();
    const auto view = fleet.wait_end(id);
    const bool succeeded = view.at("state") == "succeeded";
    EXPECT_TRUE(succeeded || !must_succeed) << view.dump(2);
    EXPECT_TRUE(serves(fleet, succeeded ? "v2" : "v1"));
    EXPECT_TRUE(settled(fleet));
    EXPECT_EQ(servers_running(), 2u);
    EXPECT_TRUE(ended(fleet.deploy({"v3"}), kDone));
    traffic->flow();
    EXPECT_TRUE(lossless(traffic->stop(600), {"v1", "v3"}));
    EXPECT_EQ(servers_running(), 2u);
  }

  static FleetSetup over_http() {
    FleetSetup setup;
    setup.demo_apps[0].lines = {"allow_insecure = true"};
    return setup;
  }

  Fleet fleet{over_http()};
  std::optional<Traffic> traffic;
};

TEST_F(KilledIn, Prepare) {
  begin({"v1"});
  FileServer files(fleet.root());
  files.hold();
  const auto artifact = fleet.pack({"v2", {}, 1 << 20});
  const auto id = fleet.begin_deploy(files.url(artifact.substr(artifact.rfind('/') + 1)));
  ASSERT_TRUE(eventually(milliseconds(5000), [&] { return files.someone_waits(); }));
  kill_in(id, "prepare");
  files.release();
  comes_right(id, false);
}

TEST_F(KilledIn, Warm) {
  begin({"v1"});
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 2000"}}));
  kill_in(id, "warm");
  comes_right(id, false);
}

TEST_F(KilledIn, Commit) {
  begin({"v1"});
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 500"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  const auto stopped = fleet.worker_pids().at(0);  // so that it cannot acknowledge
  ::kill(stopped, SIGSTOP);
  const auto seen = fleet.wait_phase(id, "commit");
  fleet.kill();
  ::kill(stopped, SIGCONT);
  EXPECT_EQ(seen, "commit");
  traffic->flow();
  comes_right(id, true);
}

TEST_F(KilledIn, Drain) {
  begin({"v1"});
  const auto peer = fleet.http();
  auto slow = Connection::open(peer);
  ASSERT_TRUE(slow);
  ASSERT_TRUE(slow->send(request_text(peer, "GET", "/slow?ms=3000")));
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  kill_in(id, "drain");
  comes_right(id, true);
  const auto answer = slow->receive();
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_EQ(version_of(answer->body).value_or("none"), "v1");
}

TEST_F(KilledIn, Retire) {
  begin({"v1", {"stop-delay = 2000"}});
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  kill_in(id, "retire");
  comes_right(id, true);
}

TEST(Recovery, KillsAtRandomMomentsWhileDeploysLoopLoseNothing) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v0"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  std::minstd_rand random(7);
  for (unsigned round = 1; round <= times(12); ++round) {
    const auto version = "v" + std::to_string(round);
    const auto id = fleet.begin_deploy(fleet.pack({version}));
    pause_for(milliseconds(random() % 250));
    fleet.kill();
    fleet.start();
    const auto view = fleet.wait_end(id);
    if (view.at("state") == "succeeded") {
      EXPECT_TRUE(serves(fleet, version));
    } else if (view.at("error").is_object()) {
      EXPECT_NE(view.at("error").at("text"), "") << view.dump();
    }
    ASSERT_TRUE(settled(fleet)) << "round " << round;
    ASSERT_EQ(servers_running(), 2u) << "round " << round;
  }
  EXPECT_TRUE(lossless(traffic.stop(800), {"v0"}));
}

TEST(Recovery, AfterARebootTheReleaseIsServedBeforeFleetdSaysThatItIsReady) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  ASSERT_TRUE(ended(fleet.deploy({"v2", {"start-delay = 600"}}), kDone));
  fleet.reboot();
  EXPECT_EQ(servers_running(), 0u);
  fleet.start();
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_TRUE(settled(fleet));
  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
}

TEST(Recovery, ACrashedInstanceIsLeftOutAndStartedAgain) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = fleet.instance_pids();
  ASSERT_EQ(before.size(), 2u);
  ::kill(before[0], SIGKILL);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(version_at(fleet.http()), "v1");
  std::vector<pid_t> after;
  EXPECT_TRUE(eventually(milliseconds(10000), [&] {
    after = fleet.instance_pids();
    return after.size() == 2 && std::ranges::count(after, before[0]) == 0;
  }));
  EXPECT_EQ(std::ranges::count(after, before[1]), 1);
  int restarts = 0;
  const auto app = fleet.app();
  for (const auto& instance : app.at("instances")) restarts += instance.at("restarts").get<int>();
  EXPECT_EQ(restarts, 1);
}

TEST(Recovery, AnInstanceThatCrashesAgainAndAgainBacksOffAndTheOtherServes) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto survivor = fleet.instance_pids().at(1);
  std::vector<milliseconds> took;
  for (int i = 0; i < 2; ++i) {
    pid_t victim = 0;
    ASSERT_TRUE(eventually(milliseconds(20000), [&] {
      for (const auto pid : fleet.instance_pids()) victim = pid == survivor ? victim : pid;
      return victim != 0 && fleet.instance_pids().size() == 2;
    }));
    const auto begun = std::chrono::steady_clock::now();
    ::kill(victim, SIGKILL);
    ASSERT_TRUE(eventually(milliseconds(20000), [&] {
      const auto now = fleet.instance_pids();
      return now.size() == 2 && std::ranges::count(now, victim) == 0;
    }));
    took.push_back(std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun));
    EXPECT_EQ(version_at(fleet.http()), "v1");
  }
  EXPECT_GE(took[0].count(), 900);
  EXPECT_GE(took[1].count(), 1800);
}

TEST(Recovery, AnInstanceThatTurnsUnhealthyLeavesRotationAndComesBack) {
  FleetSetup setup;
  setup.demo_apps[0].health = {"path = \"/health\"", "interval = \"100ms\"", "healthy = 1", "unhealthy = 2",
                               "start_timeout = \"10s\""};
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  write_whole(fleet.ledgers() + "/unhealthy", "");
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return fleet.app().at("state") == "down"; }));
  std::error_code ignored;
  ::unlink((fleet.ledgers() + "/unhealthy").c_str());
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return fleet.app().at("state") == "serving"; }));
  EXPECT_TRUE(serves(fleet, "v1"));
}

TEST(Recovery, AnInstanceThatHangsIsTakenOutAndStartedAnew) {
  FleetSetup setup;
  setup.demo_apps[0].health = {"path = \"/health\"", "interval = \"100ms\"", "timeout = \"300ms\"", "healthy = 1",
                               "unhealthy = 2", "unhealthy_restart = \"1s\""};
  setup.demo_apps[0].drain = {"stop_timeout = \"200ms\""};
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto hung = fleet.instance_pids().at(0);
  ::kill(hung, SIGSTOP);
  ASSERT_TRUE(eventually(milliseconds(5000), [&] { return fleet.app().at("state") == "degraded"; }));
  Traffic traffic(fleet);
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return bool(settled(fleet)); })) << settled(fleet).message();
  EXPECT_EQ(std::ranges::count(fleet.instance_pids(), hung), 0);
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1"}));
  EXPECT_NE(fleet.ctl({"events"}).out.find("does not recover and is started anew"), std::string::npos);
  EXPECT_EQ(servers_running(), 2u);
}

TEST(Recovery, AKilledWorkerIsReplacedAndNoConnectionIsRefused) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = fleet.worker_pids();
  ASSERT_EQ(before.size(), 2u);
  ::kill(before[0], SIGKILL);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 60; ++i) EXPECT_EQ(version_at(i % 2 == 0 ? fleet.http() : fleet.https()), "v1");
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return fleet.worker_pids().size() == 2; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(3));
  const auto after = fleet.worker_pids();
  EXPECT_EQ(std::ranges::count(after, before[0]), 0);
  EXPECT_EQ(std::ranges::count(after, before[1]), 1);
}

TEST(Recovery, AWorkerThatEndsWhileFleetdIsAwayIsReplacedAndLeavesNothing) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto worker = fleet.worker_pids().at(0);
  fleet.kill();
  const os::Fd ends(static_cast<int>(::syscall(SYS_pidfd_open, worker, 0)));
  ASSERT_TRUE(ends);
  ::kill(worker, SIGKILL);
  pollfd end{ends.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&end, 1, 5000), 1);
  fleet.start();
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return fleet.worker_pids().size() == 2; }));
  EXPECT_TRUE(serves(fleet, "v1"));
  const auto entries = [&](const std::string& folder) {
    const std::filesystem::directory_iterator all(fleet.root() + "/run/" + folder);
    return std::ranges::distance(all);
  };
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return entries("worker") == 2 && entries("shim") == 4; }))
      << entries("worker") << " and " << entries("shim");
}

TEST(Recovery, ASecondFleetdIsRefusedAndHarmless) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto ran = run({program_path("fleetd"), "--config", fleet.config_path()}, {}, milliseconds(10000));
  EXPECT_GT(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err, "");
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_TRUE(ended(fleet.deploy({"v2"}), kDone));
}

TEST(Recovery, AShutdownWithoutAppsLeavesEverythingServing) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto instances = fleet.instance_pids();
  Traffic traffic(fleet);
  traffic.flow();
  EXPECT_TRUE(ended(fleet.ctl({"shutdown"}), kDone));
  EXPECT_EQ(fleet.daemon().wait(milliseconds(10000)).value_or(-1), 0);
  traffic.flow();
  fleet.start();
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(600), {"v1"}));
  EXPECT_EQ(fleet.instance_pids(), instances);
}

}  // namespace
}  // namespace fleet::test
