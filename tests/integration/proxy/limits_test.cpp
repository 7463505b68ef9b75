// What protects the worker from its clients: section T.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <deque>
#include <filesystem>
#include <future>
#include <thread>

#include "client.hpp"
#include "origin.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

using namespace std::chrono_literals;

struct Limited {
  explicit Limited(const ProxySettings& settings, std::vector<std::string> arguments = {},
                   Origin::Handler handler = always("hello"))
      : origin(std::move(handler)), worker(std::move(arguments)) {
    worker.settings = settings;
    route = route_to({{"a", origin.port()}});
    worker.start(slot, {route});
  }
  Slot slot;
  Origin origin;
  WorkerProcess worker;
  Route route;
};

ProxySettings with(auto&& change) {
  ProxySettings settings;
  change(settings);
  return settings;
}

TEST(SlowClients, T_ATrickledHeadHasAsMuchTimeAsAnyOther) {
  Limited setup(with([](auto& s) { s.timeouts.head = 300ms; }));
  Client client(setup.slot.http);
  std::thread trickle([&] {
    for (const char byte : std::string("GET / HTTP/1.1\r\nHost: shop.test\r\nX-Slow: 0123456789")) {
      if (!client.send({&byte, 1})) return;
      std::this_thread::sleep_for(20ms);
    }
  });
  EXPECT_EQ(client.read_answer().status, 408);
  trickle.join();
  EXPECT_EQ(setup.origin.connections(), 0);
}

TEST(SlowClients, T_ATrickledBodyIsGivenUp) {
  Limited setup(with([](auto& s) { s.timeouts.client = 300ms; }));
  Client client(setup.slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000\r\n\r\n");
  std::thread trickle([&] {
    while (client.send("x")) std::this_thread::sleep_for(50ms);
  });
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.field("X-Fleet-Error"), "client-too-slow");
  client.reset();
  trickle.join();
  EXPECT_EQ(setup.worker.stats().slow_clients, 1u);
}

// At most 400 bytes per second, of which 240 must come: a machine may be busy for a while.
TEST(SlowClients, T_ABodyAtTheLeastRateIsTaken) {
  Limited setup(with([](auto& s) { s.timeouts.client = 1s; }));
  Client client(setup.slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 600\r\n\r\n");
  for (int i = 0; i < 30; ++i) {
    client.send("01234567890123456789");
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_EQ(setup.worker.stats().slow_clients, 0u);
}

TEST(SlowClients, T_ZeroAllowsAnyRate) {
  Limited setup(with([](auto& s) { s.timeouts.client = 600ms, s.limits.min_rate = 0; }));
  Client client(setup.slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 16\r\n\r\n");
  for (int i = 0; i < 16; ++i) {
    client.send("x");
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(client.read_answer().status, 200);
}

// An application whose time to think is not the client's.
TEST(SlowClients, T_ASlowApplicationIsNoSlowClient) {
  Limited setup(with([](auto& s) { s.timeouts.client = 200ms; }), {}, [](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      std::this_thread::sleep_for(900ms);
      if (!connection.answer("late")) return;
    }
  });
  Client client(setup.slot.http);
  EXPECT_EQ(client.post("/", "body").body, "late");
  EXPECT_EQ(setup.worker.stats().slow_clients, 0u);
}

void endless(OriginConnection& connection) {
  OriginConnection::Request request;
  if (!connection.read_request(request)) return;
  connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
  while (connection.send(std::string(65536, 'x'))) {
  }
}

TEST(SlowClients, T_ASlowReaderIsGivenUp) {
  Limited setup(with([](auto& s) { s.timeouts.client = 400ms, s.limits.min_rate = 1'000'000; }), {}, endless);
  Client client(setup.slot.http);
  const int small = 8192;
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  const auto until = std::chrono::steady_clock::now() + 20s;
  bool ended = false;
  while (!ended && std::chrono::steady_clock::now() < until) {
    ended = client.read_some(8192).empty();
    std::this_thread::sleep_for(20ms);  // at most 400 KB/s
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(setup.worker.stats().slow_clients, 1u);
}

// The kernel asks for more only once a good part of its buffer is free: such a reader looks idle for long.
TEST(SlowClients, T_AReaderAtTheLeastRateIsNotGivenUp) {
  Limited setup(with([](auto& s) { s.timeouts.client = 1500ms, s.limits.min_rate = 1000; }), {}, endless);
  Client client(setup.slot.http);
  const int small = 4096;
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  for (int i = 0; i < 200; ++i) {
    ASSERT_FALSE(client.read_some(2000).empty()) << "after " << i << " reads";
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(setup.worker.stats().slow_clients, 0u);
}

TEST(SlowClients, T_AReaderThatStopsIsGivenUp) {
  Limited setup(with([](auto& s) { s.timeouts.client = 300ms; }), {}, endless);
  Client client(setup.slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_FALSE(client.read_some().empty());
  EXPECT_TRUE(setup.worker.comes_to([](const auto& stats) { return stats.targets.at(0).in_flight == 0; }));
}

TEST(Settings, T_HeadsAreLimitedAsConfigured) {
  Limited setup(with([](auto& s) { s.limits.head = 2048, s.limits.fields = 10; }));
  EXPECT_EQ(Client(setup.slot.http).get("/", "shop.test", "X: " + std::string(1900, 'x') + "\r\n").status, 200);
  const auto large = Client(setup.slot.http).get("/", "shop.test", "X: " + std::string(2100, 'x') + "\r\n");
  EXPECT_EQ(large.status, 431);
  EXPECT_EQ(large.field("X-Fleet-Error"), "head-too-large");
  std::string many;
  for (int i = 0; i < 12; ++i) many += "X: 1\r\n";
  EXPECT_EQ(Client(setup.slot.http).get("/", "shop.test", many).field("X-Fleet-Error"), "too-many-fields");
}

TEST(Settings, T_LargerHeadsThanUsualPassWhenConfigured) {
  Limited setup(with([](auto& s) { s.limits.head = 48u << 10; }));
  const std::string large = "X: " + std::string(45'000, 'x') + "\r\n";
  EXPECT_EQ(Client(setup.slot.http).get("/", "shop.test", large).status, 200);
}

TEST(Settings, T_AReloadChangesThemWithoutEndingConnections) {
  Limited setup(ProxySettings{});
  Client client(setup.slot.http), other(setup.slot.http);
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(other.get("/").status, 200);
  setup.worker.settings.limits.head = 1024;
  setup.worker.settings.timeouts.keep_alive = 300ms;
  setup.worker.publish({setup.route});
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(other.get("/", "shop.test", "X: " + std::string(2000, 'x') + "\r\n").status, 431);
  EXPECT_TRUE(client.at_end());  // by the new keep-alive limit; a test is not given up for 10 s
}

TEST(Settings, T_TheCommandLineHoldsAgainstThem) {
  Limited setup(with([](auto& s) { s.timeouts.head = 10s; }), {"--timeout", "head=200"});
  Client client(setup.slot.http);
  client.send("GET / HT");
  EXPECT_EQ(client.read_answer().status, 408);
}

TEST(Connections, T_OneAddressHasAtMostItsShare) {
  Limited setup(with([](auto& s) { s.limits.connections_per_address = 2; }));
  Client first(setup.slot.http), second(setup.slot.http);
  EXPECT_EQ(first.get("/").status, 200);
  EXPECT_EQ(second.get("/").status, 200);
  Client third(setup.slot.http), tls(setup.slot.https);
  EXPECT_TRUE(third.at_end());
  EXPECT_TRUE(tls.at_end());  // before any handshake
  EXPECT_EQ(setup.worker.stats().over_address_limit, 2u);
  first.reset();
  ASSERT_TRUE(setup.worker.comes_to([](const auto& stats) { return stats.connections == 1; }));
  EXPECT_EQ(Client(setup.slot.http).get("/").status, 200);
  EXPECT_EQ(second.get("/").status, 200);
}

TEST(Connections, T_ATrustedProxyMayHaveAnyNumber) {
  Limited setup(with([](auto& s) { s.limits.connections_per_address = 1, s.trusted = {"127.0.0.1/32"}; }));
  Client first(setup.slot.http), second(setup.slot.http);
  EXPECT_EQ(first.get("/").status, 200);
  EXPECT_EQ(second.get("/").status, 200);
}

TEST(Connections, T_IdleOnesMakeRoomForNewOnes) {
  Limited setup({}, {"--max-connections", "4"});
  std::deque<Client> idle;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(idle.emplace_back(setup.slot.http).get("/").status, 200);
  Client fifth(setup.slot.http);
  EXPECT_EQ(fifth.get("/").status, 200);
  EXPECT_TRUE(idle[0].at_end());  // the longest idle
  for (int i = 1; i < 4; ++i) EXPECT_EQ(idle[static_cast<std::size_t>(i)].get("/").status, 200);
  EXPECT_EQ(setup.worker.stats().evicted, 1u);
}

TEST(Connections, T_WhenAllAreBusyNewOnesWaitUntilOneIsNot) {
  std::promise<void> go;
  const auto gate = go.get_future().share();
  Limited setup({}, {"--max-connections", "2"}, [gate](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      gate.wait();
      if (!connection.answer("done")) return;
    }
  });
  Client first(setup.slot.http), second(setup.slot.http);
  for (auto* client : {&first, &second}) client->send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return setup.origin.connections() == 2; }));
  Client third(setup.slot.http);
  third.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_TRUE(third.quiet(300));
  EXPECT_EQ(setup.worker.stats().connections, 2u);
  go.set_value();
  EXPECT_EQ(first.read_answer().body, "done");
  EXPECT_EQ(second.read_answer().body, "done");
  EXPECT_EQ(third.read_answer().body, "done");
}

// None above the lowest free number but `spare`: new ones take that.
void forbid_descriptors(pid_t pid, rlim_t spare = 0) {
  rlim_t free = 0;
  while (std::filesystem::is_symlink("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(free))) ++free;
  rlimit limit{};
  ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit);
  limit.rlim_cur = free + spare;
  ::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr);
}

TEST(Connections, T_WithoutDescriptorsNewOnesAreTurnedAwayAndTheOthersServed) {
  Limited setup(ProxySettings{});
  Client served(setup.slot.http);
  EXPECT_EQ(served.get("/").status, 200);
  served.send("GET / HTTP/1.1\r\n");
  forbid_descriptors(setup.worker.pid());
  std::deque<Client> busy;  // each within a head, hence not to be closed for others
  while (setup.worker.stats().turned_away < 5 && busy.size() < 200) {
    busy.emplace_back(setup.slot.http).send("GET / HTTP/1.1\r\n");
  }
  EXPECT_TRUE(busy.back().at_end());
  served.send("Host: shop.test\r\n\r\n");
  EXPECT_EQ(served.read_answer().status, 200);
  busy.clear();
  ASSERT_TRUE(setup.worker.comes_to([](const auto& stats) { return stats.connections == 1; }));
  forbid_descriptors(setup.worker.pid(), 20);
  EXPECT_EQ(Client(setup.slot.http).get("/").status, 200);
}

TEST(Connections, T_WithoutDescriptorsIdleOnesMakeRoom) {
  Limited setup(ProxySettings{});
  std::deque<Client> idle;
  for (int i = 0; i < 8; ++i) EXPECT_EQ(idle.emplace_back(setup.slot.http).get("/").status, 200);
  forbid_descriptors(setup.worker.pid());
  EXPECT_EQ(Client(setup.slot.http).get("/").status, 200);
  EXPECT_TRUE(idle[0].at_end());
  EXPECT_EQ(idle[7].get("/").status, 200);
  const auto stats = setup.worker.stats();
  EXPECT_EQ(stats.turned_away, 0u);
  EXPECT_EQ(stats.evicted, 1u);
}

}  // namespace
}  // namespace fleet::test
