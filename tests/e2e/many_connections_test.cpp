// D8, D5: many clients that do nothing, and an instance that does not answer.
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <thread>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

const std::string kRestarts("\x88\x02\x03\xf4", 4);  // Close, 1012

std::uint64_t open_files(pid_t pid) {
  const auto all = fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
}

class ManyConnections : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps[0].drain = {"timeout = \"10s\"", "streams = \"4s\"", "stop_timeout = \"5s\""};
    return setup;
  }
  void SetUp() override {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  }
  struct Held {
    std::uint64_t files = 0, kib = 0;
  };
  Held held() const {
    Held sum;
    for (const auto pid : fleet.worker_pids()) sum.files += open_files(pid), sum.kib += rss_kib(pid);
    return sum;
  }
  Expected<Connection> websocket() const {
    const auto peer = fleet.http();
    auto connection = Connection::open(peer);
    if (!connection) return connection;
    const auto asked = connection->send(request_text(
        peer, "GET", "/socket",
        {"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a2V5"}));
    if (!asked) return std::unexpected(asked.error());
    const auto answer = connection->receive_head();
    if (!answer) return std::unexpected(answer.error());
    if (answer->status != 101) return std::unexpected(Failure{Cause::status, std::to_string(answer->status)});
    connection->never_wait();
    return connection;
  }

  Fleet fleet{setup()};
};

// FLEET_TIMES=10: 10,000 idle connections and 1,000 WebSockets.
TEST_F(ManyConnections, D8_RD_ThroughADeployCostLittleAndAreClosedOneAfterTheOther) {
  const unsigned idle_ones = times(1000), sockets = times(100);
  const auto before = held();
  std::vector<Connection> idle, tunnels;
  const auto peer = fleet.http();
  const auto question = request_text(peer, "GET", "/");
  for (unsigned i = 0; i < idle_ones; ++i) {
    auto connection = Connection::open(peer);
    ASSERT_TRUE(connection) << connection.error().text;
    if (i % 10 == 0) {
      ASSERT_TRUE(connection->send(question));
      ASSERT_TRUE(connection->receive());
    }
    idle.push_back(std::move(*connection));
  }
  for (unsigned i = 0; i < sockets; ++i) {
    auto socket = websocket();
    ASSERT_TRUE(socket) << socket.error().text;
    tunnels.push_back(std::move(*socket));
  }
  ASSERT_TRUE(under_way(fleet, static_cast<int>(sockets)));
  const auto full = held();
  EXPECT_LE(full.files, before.files + idle_ones + 2 * sockets + 64) << "one for each idle one, two for each WebSocket";
  EXPECT_LE(full.kib, before.kib + (idle_ones + sockets) * 8 + 4096) << "KiB";
  Traffic traffic(fleet);
  traffic.flow();
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  ASSERT_EQ(fleet.wait_phase(id, "drain"), "drain");
  // When each WebSocket is told to go.
  std::vector<std::string> heard(tunnels.size());
  std::vector<std::chrono::steady_clock::time_point> closed;
  const auto all_told = [&] {
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
      if (heard[i] == kRestarts) continue;
      heard[i] += tunnels[i].take_some().value_or("gone");
      EXPECT_TRUE(kRestarts.starts_with(heard[i])) << "closed by a Close frame, not cut";
      if (heard[i] == kRestarts) closed.push_back(std::chrono::steady_clock::now());
    }
    return closed.size() == tunnels.size() || ::testing::Test::HasFailure();
  };
  EXPECT_TRUE(eventually(milliseconds(15000), all_told));
  if (closed.size() == tunnels.size()) {
    EXPECT_GE(closed.back() - closed.front(), milliseconds(200)) << "of a tenth of 4 s";
    const auto half = closed[closed.size() / 2] - closed.front();
    EXPECT_GE(half, milliseconds(50)) << "most of them at once";
  }
  tunnels.clear();
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  EXPECT_TRUE(lossless(traffic.stop(300), {"v1", "v2"}));
  // The idle ones have not noticed.
  for (std::size_t i = 0; i < idle.size(); i += 50) {
    ASSERT_TRUE(idle[i].send(question));
    const auto answer = idle[i].receive();
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(version_of(answer->body).value_or("none"), "v2");
  }
  idle.clear();
  EXPECT_TRUE(eventually([&] { return held().files <= before.files + 64; })) << held().files << " files, " << before.files << " before";
  EXPECT_LE(held().kib, before.kib + idle_ones * 8 + 4096);
}

// ---- D5 ------------------------------------------------------------------------------------------------------------

class OneOfThree : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps[0].instances = 3;
    setup.demo_apps[0].health = {"path = \"/health\"", "interval = \"200ms\"", "timeout = \"300ms\"", "healthy = 1", "unhealthy = 3"};
    setup.demo_apps[0].lines = {"balance = \"round-robin\""};
    return setup;
  }
  void SetUp() override {
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
    ASSERT_TRUE(settled(fleet, 3));
  }
  Fleet fleet{setup()};
};

TEST_F(OneOfThree, D5_I_ThatAnswersNobodyIsLeftOutWithinTwoSecondsAndComesBack) {
  const auto dead = fleet.instance_pids().at(1);
  ::kill(dead, SIGSTOP);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually(milliseconds(5000), [&] { return fleet.instance_pids().size() == 2; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2) * kRoom);
  Traffic traffic(fleet);
  traffic.flow(300);
  const auto peer = fleet.http();
  for (int i = 0; i < 30; ++i) {
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_EQ(version_at(peer), "v1");
    EXPECT_LT(std::chrono::steady_clock::now() - asked, milliseconds(500) * kRoom) << "it was sent there";
  }
  ::kill(dead, SIGCONT);
  EXPECT_TRUE(settled(fleet, 3));
  traffic.flow(300);
  const auto app = fleet.app();
  for (const auto& instance : app.at("instances")) EXPECT_EQ(instance.at("restarts"), 0) << instance.dump();
  EXPECT_TRUE(lossless(traffic.stop(600), {"v1"}));
}

// Under load: what it was given waits for it, and is answered when it goes on, though a deploy has begun meanwhile.
TEST_F(OneOfThree, D5_IR_ThatStandsStillForAMomentLosesNothing) {
  Traffic traffic(fleet);
  traffic.flow();
  for (unsigned round = 0; round < times(2); ++round) {
    const auto slow = fleet.instance_pids().at(round % 3);
    ::kill(slow, SIGSTOP);
    EXPECT_TRUE(eventually(milliseconds(5000), [&] { return fleet.instance_pids().size() == 2; }));
    const auto id = fleet.begin_deploy(fleet.pack({"v" + std::to_string(round + 2), {"start-delay = 300"}}));
    EXPECT_EQ(fleet.wait_phase(id, "drain"), "drain") << "it has requests";
    ::kill(slow, SIGCONT);
    EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
    EXPECT_TRUE(settled(fleet, 3));
    traffic.flow(300);
  }
  EXPECT_TRUE(lossless(traffic.stop(800), {"v1", "v2"}));
}

}  // namespace
}  // namespace fleet::test
