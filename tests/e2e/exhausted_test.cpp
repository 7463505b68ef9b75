// B7, B8: no more descriptors, processes or ports. Whatever needs one fails cleanly; what has them goes on.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <list>
#include <optional>
#include <thread>

#include "expect.hpp"
#include "support/strace.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

// A process may open so many more files than it has now, until this goes. The limit is one of numbers: the lowest that are
// free come first.
class FewFiles {
 public:
  FewFiles(pid_t pid, unsigned more) : pid_(pid) {
    const auto folder = "/proc/" + std::to_string(pid) + "/fd/";
    rlim_t most = 0;
    for (unsigned free = 0; free <= more; ++most) free += fs::is_symlink(fs::symlink_status(folder + std::to_string(most))) ? 0 : 1;
    ::prlimit(pid, RLIMIT_NOFILE, nullptr, &before_);
    const rlimit limit{most - 1, before_.rlim_max};
    EXPECT_EQ(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr), 0) << strerror(errno);
  }
  ~FewFiles() { ::prlimit(pid_, RLIMIT_NOFILE, &before_, nullptr); }
  FewFiles(const FewFiles&) = delete;

 private:
  pid_t pid_;
  rlimit before_{};
};

class Exhausted : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  }
  void nobody_was_restarted() const {
    EXPECT_TRUE(settled(fleet));
    const auto app = fleet.app();
    for (const auto& instance : app.at("instances")) EXPECT_EQ(instance.at("restarts"), 0) << instance.dump();
    EXPECT_EQ(fleet.ctl({"events"}).out.find("out of rotation"), std::string::npos);
    EXPECT_EQ(servers_running(), 2u);
  }
  Fleet fleet;
};

TEST_F(Exhausted, B7_S_FleetdWithoutDescriptorsFailsDeploysCleanlyAnswersAndTakesNobodyOut) {
  Traffic traffic(fleet);
  traffic.flow();
  {
    const FewFiles none(fleet.pid(), 0);
    const auto ran = fleet.deploy({"v2"});
    EXPECT_NE(ran.code, kDone);
    EXPECT_NE(ran.code, kUnreachable) << "nobody hears it";
    EXPECT_NE(ran.err.find("oo many open files"), std::string::npos) << ran.err;
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(fleet.call("GET", "/v1/status").status, 200);
      traffic.flow(40);  // together ten times as long as until the next health check
      EXPECT_EQ(fleet.app().at("state"), "serving");
    }
    EXPECT_TRUE(serves(fleet, "v1"));
  }
  ASSERT_TRUE(ended(fleet.deploy({"v3"}), kDone));
  EXPECT_TRUE(serves(fleet, "v3"));
  nobody_was_restarted();
  EXPECT_TRUE(lossless(traffic.stop(800), {"v1", "v3"}));
}

// With a few to spare it fails somewhere on the way, each time somewhere else.
TEST_F(Exhausted, B7_SH_FleetdThatRunsOutOfDescriptorsOnTheWayLeavesTheOldRelease) {
  Traffic traffic(fleet);
  traffic.flow();
  unsigned failed = 0, version = 1;
  std::string last = "v1";
  for (unsigned spare = 1; spare <= 12; spare += times(1) > 1 ? 1 : 2) {
    SCOPED_TRACE(std::to_string(spare) + " to spare");
    const auto name = "v" + std::to_string(++version);
    int code = -1;
    {
      const FewFiles few(fleet.pid(), spare);
      code = fleet.deploy({name}).code;
    }
    if (code == kDone) last = name;
    else ++failed;
    EXPECT_TRUE(eventually([&] { return fleet.app().at("deployment").is_null(); }));
    EXPECT_TRUE(serves(fleet, last)) << code;
    nobody_was_restarted();
  }
  EXPECT_GT(failed, 0u);
  ASSERT_TRUE(ended(fleet.deploy({"end"}), kDone));
  EXPECT_TRUE(lossless(traffic.stop(300), {"v1", "end"}));
}

TEST_F(Exhausted, B7_I_AWorkerWithoutDescriptorsTurnsAwayNewConnectionsOnly) {
  std::vector<Connection> known;
  const auto peer = fleet.http();
  const auto ask = [&](Connection& connection) {
    if (!connection.send(request_text(peer, "GET", "/"))) return false;
    const auto answer = connection.receive();
    return answer && answer->status == 200;
  };
  for (int i = 0; i < 8; ++i) {
    auto connection = Connection::open(peer);
    ASSERT_TRUE(connection);
    known.push_back(std::move(*connection));
    ASSERT_TRUE(ask(known.back()));
  }
  {
    std::vector<std::unique_ptr<FewFiles>> few;
    for (const auto pid : fleet.worker_pids()) few.push_back(std::make_unique<FewFiles>(pid, 2));
    std::vector<Connection> guests;
    for (int i = 0; i < 40; ++i) {
      auto guest = Connection::open(peer);
      if (guest) guests.push_back(std::move(*guest));
      for (auto& connection : known) ASSERT_TRUE(ask(connection)) << "after " << i << " more";
    }
    // They say nothing, so that they hear nothing but their end.
    const auto turned_away = [&] {
      return std::ranges::count_if(guests, [](const Connection& guest) {
        pollfd heard{guest.socket(), POLLIN, 0};
        return ::poll(&heard, 1, 0) == 1;
      });
    };
    EXPECT_TRUE(eventually([&] { return turned_away() > 20; })) << turned_away();
    for (auto& connection : known) EXPECT_TRUE(ask(connection));
  }
  EXPECT_TRUE(eventually([&] { return version_at(peer) == "v1"; }));
  for (auto& connection : known) EXPECT_TRUE(ask(connection));
  nobody_was_restarted();
}

TEST_F(Exhausted, B7_S_WithoutAProcessToBeHadADeployFailsCleanly) {
  Traffic traffic(fleet);
  traffic.flow();
  unsigned version = 1, failed = 0;
  std::string last = "v1";
  for (unsigned first = 1; first <= 5; ++first) {
    SCOPED_TRACE("from process " + std::to_string(first) + " on");
    const auto name = "v" + std::to_string(++version);
    Ran ran;
    {
      const auto* error = first % 2 == 0 ? "ENOMEM" : "EAGAIN";
      Strace none(fleet.pid(), std::string("clone,clone3,fork,vfork:error=") + error + ":when=" + std::to_string(first) + "+");
      ran = fleet.deploy({name});
    }
    if (ran.code == kDone) {
      last = name;
    } else {
      ++failed;
      const auto* text = first % 2 == 0 ? "annot allocate memory" : "esource temporarily unavailable";
      EXPECT_NE(ran.err.find(text), std::string::npos) << ran.err;
    }
    EXPECT_TRUE(serves(fleet, last));
    nobody_was_restarted();
  }
  EXPECT_GE(failed, 3u) << "a fetch and two instances are to be started";
  ASSERT_TRUE(ended(fleet.deploy({"end"}), kDone));
  EXPECT_TRUE(lossless(traffic.stop(300), {"v1", "end"}));
}

TEST_F(Exhausted, B7_I_AWorkerWithoutMemoryForASocketLetsNewConnectionsWaitAndServesTheOthers) {
  const auto workers = fleet.worker_pids();
  const auto peer = fleet.http();
  auto known = Connection::open(peer);
  ASSERT_TRUE(known);
  const auto ask = [&](Connection& connection) {
    if (!connection.send(request_text(peer, "GET", "/"))) return false;
    const auto answer = connection.receive();
    return answer && answer->status == 200;
  };
  ASSERT_TRUE(ask(*known));
  std::optional<Connection> waiting;
  {
    std::list<Strace> none;
    for (const auto worker : workers) none.emplace_back(worker, "accept4:error=ENOMEM");
    auto opened = Connection::open(peer);
    ASSERT_TRUE(opened) << "by the kernel";
    waiting = std::move(*opened);
    ASSERT_TRUE(waiting->send(request_text(peer, "GET", "/")));
    const auto before = cpu_time(workers.at(0)) + cpu_time(workers.at(1));
    pause_for(milliseconds(1000));
    EXPECT_LT((cpu_time(workers.at(0)) + cpu_time(workers.at(1)) - before).count(), 120 * kRoom) << "it asks again and again";
    EXPECT_TRUE(ask(*known));
  }
  const auto answer = waiting->receive();
  EXPECT_TRUE(answer && answer->status == 200) << "by itself, once there is memory";
  nobody_was_restarted();
  EXPECT_EQ(fleet.worker_pids(), workers);
}

// ---- B8 ------------------------------------------------------------------------------------------------------------

constexpr std::string_view kWell = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

// Somebody else's server, which answers everybody so, or nobody.
class Stranger {
 public:
  explicit Stranger(std::uint16_t port, std::string_view answer = {})
      : answer_(answer), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const int on = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listens_ = ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
               ::listen(listener_.get(), 16) == 0;
    if (!answer.empty()) thread_ = std::jthread([this](const std::stop_token& over) { serve(over); });
  }
  bool listens() const { return listens_; }
  // Whether anybody has come.
  bool was_asked() const { return asked_ || os::Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)).get() >= 0; }

 private:
  void serve(const std::stop_token& over) {
    while (!over.stop_requested()) {
      pollfd guest{listener_.get(), POLLIN, 0};
      if (::poll(&guest, 1, 20) != 1) continue;
      const os::Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      char request[4096];
      if (::recv(connection.get(), request, sizeof request, 0) <= 0) continue;
      ::send(connection.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
      asked_ = true;
    }
  }

  std::string_view answer_;
  os::Fd listener_;
  bool listens_ = false;
  std::atomic<bool> asked_ = false;
  std::jthread thread_;  // last: it uses the rest
};

class Ports : public ::testing::Test {
 protected:
  Ports() {
    const auto config = read_whole(fleet.config_path());
    const auto at = config.find("ports = \"") + 9;
    first = static_cast<std::uint16_t>(std::stoi(config.substr(at)));
  }
  // So that only so many are left of the range.
  void take_all_but(unsigned left) {
    for (unsigned i = left; i < 100; ++i) {
      strangers.push_back(std::make_unique<Stranger>(static_cast<std::uint16_t>(first + i)));
    }
  }
  bool any_was_asked() const {
    return std::ranges::any_of(strangers, [](const auto& one) { return one->was_asked(); });
  }

  Fleet fleet;
  std::uint16_t first = 0;
  std::vector<std::unique_ptr<Stranger>> strangers;
};

TEST_F(Ports, B8_S_ThoseThatAreTakenAreLeftAloneAndAUsedUpRangeFailsTheDeploy) {
  take_all_but(5);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  const auto app = fleet.app();
  for (const auto& instance : app.at("instances")) EXPECT_LT(instance.at("port"), first + 5) << instance.dump();
  // Two serve: of the three that are left, another two are taken.
  std::vector<std::unique_ptr<Stranger>> more;
  unsigned left = 5 - 2;
  for (std::uint16_t i = 0; i < 5 && left > 1; ++i) {
    auto one = std::make_unique<Stranger>(static_cast<std::uint16_t>(first + i));
    if (!one->listens()) continue;
    --left;
    more.push_back(std::move(one));
  }
  const auto ran = fleet.deploy({"v3"});
  EXPECT_TRUE(ended(ran, kUnhealthy));
  EXPECT_NE(ran.err.find("no free port between " + std::to_string(first)), std::string::npos) << ran.err;
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_TRUE(settled(fleet));
  more.clear();
  ASSERT_TRUE(ended(fleet.deploy({"v4"}), kDone));
  EXPECT_FALSE(any_was_asked()) << "a stranger's listener was taken for an instance";
  EXPECT_TRUE(lossless(traffic.stop(500), {"v1", "v2", "v4"}));
}

// Somebody else takes the port that a candidate was given, before it listens, and answers for it.
TEST(StrangersPorts, B8_S_OneThatAnswersInACandidatesPlaceIsNotTakenForIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be other users";
  DemoApp shop;
  shop.lines = {"user = \"nobody\""};
  FleetSetup setup;
  setup.demo_apps = {shop};
  Fleet fleet(setup);
  ::chmod(fleet.root().c_str(), 0711);
  ::chmod(fleet.ledgers().c_str(), 0777);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  const auto id = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 1500"}}));
  ASSERT_EQ(fleet.wait_phase(id, "warm"), "warm");
  std::unique_ptr<Stranger> taker;
  ASSERT_TRUE(eventually([&] {
    const auto app = fleet.app();
    for (const auto& instance : app.at("instances")) {
      if (instance.at("state") != "ready" && instance.at("port") != 0) {
        ::setfsuid(1);
        taker = std::make_unique<Stranger>(instance.at("port").get<std::uint16_t>(), kWell);
        ::setfsuid(0);
      }
    }
    return taker != nullptr;
  }));
  ASSERT_TRUE(taker->listens());
  const auto view = fleet.wait_end(id);
  EXPECT_EQ(view.at("state"), "failed") << view.dump(2);
  EXPECT_TRUE(taker->was_asked()) << "the test did not come in between";
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_TRUE(settled(fleet));
  EXPECT_TRUE(lossless(traffic.stop(300), {"v1"}));
}

TEST_F(Ports, B8_S_AnInstanceWhosePortWasTakenWhileItWasAwayComesBackOnAnother) {
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  const auto before = fleet.app().at("instances").at(0);
  ::kill(before.at("pid").get<pid_t>(), SIGKILL);
  std::unique_ptr<Stranger> taker;
  ASSERT_TRUE(eventually([&] {
    taker = std::make_unique<Stranger>(before.at("port").get<std::uint16_t>());
    return taker->listens();
  }));
  EXPECT_TRUE(eventually([&] {
    const auto pids = fleet.instance_pids();
    return pids.size() == 2 && std::ranges::find(pids, before.at("pid").get<pid_t>()) == pids.end();
  }));
  const auto app = fleet.app();
  for (const auto& instance : app.at("instances")) EXPECT_NE(instance.at("port"), before.at("port")) << instance.dump();
  traffic.flow();
  EXPECT_TRUE(serves(fleet, "v1"));
  (void)traffic.stop(1);  // requests that the killed one was answering may have failed
}

}  // namespace
}  // namespace fleet::test
