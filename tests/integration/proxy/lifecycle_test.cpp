// Tables, targets and workers coming and going under load.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <latch>
#include <thread>

#include "client.hpp"
#include "origin.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

// Naive clients on keep-alive connections until stop(): each sends as soon as it has its answer, one in three a POST,
// and reconnects only after an answer that said close.
class Load {
 public:
  Load(const Slot& slot, int clients) {
    for (int i = 0; i < clients; ++i) threads_.emplace_back([this, &slot, i] { run(slot, i % 2 == 1); });
  }
  ~Load() { stop(); }
  void stop() {
    stopping_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }
  std::atomic<int> done = 0, failed = 0;
  // Waits until this many more requests are done.
  void progress(int more) {
    const int until = done + more;
    EXPECT_TRUE(eventually(std::chrono::seconds(60), [&] { return done >= until || failed > 0; }));
  }

 private:
  void run(const Slot& slot, bool tls) {
    std::unique_ptr<Client> client;
    for (int i = 0; !stopping_; ++i) {
      if (!client) {
        client = std::make_unique<Client>(tls ? slot.https : slot.http,
                                          tls ? std::optional(Client::Tls{"shop.test"}) : std::nullopt);
      }
      const auto answer = i % 3 == 0 ? client->post("/", "body") : client->get("/");
      answer.status == 200 && answer.whole ? ++done : ++failed;
      if (answer.field("Connection") == "close" || answer.status == 0) client.reset();
    }
  }
  std::atomic<bool> stopping_ = false;
  std::list<std::thread> threads_;
};

TEST(ProxyTables, SwapsUnderLoadWithoutOneFailure) {
  Slot slot;
  Origin a(always("a")), b(always("b"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", a.port()}})});
  Load load(slot, 8);
  std::string from = "a", to = "b";
  for (int i = 0; i < 40; ++i) {
    const auto port = [&](const std::string& id) { return id == "a" ? a.port() : b.port(); };
    worker.publish({route_to({{from, port(from), TargetState::draining}, {to, port(to)}})});
    EXPECT_EQ(worker.expect<wire::TargetDrained>().target, from);
    worker.publish({route_to({{to, port(to)}})});
    load.progress(50);
    std::swap(from, to);
  }
  load.stop();
  EXPECT_EQ(load.failed, 0);
  EXPECT_GT(load.done, 2000);
}

TEST(ProxyTables, RoutesEveryRequestThatBeginsAfterTheAckByTheNewTable) {
  Slot slot;
  Origin a(always("a")), b(always("b"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", a.port()}})});
  Client client(slot.http);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.get("/").body, "a");
    worker.publish({route_to({{"a", a.port(), TargetState::draining}, {"b", b.port()}})});
    EXPECT_EQ(client.get("/").body, "b");
    worker.publish({route_to({{"a", a.port()}, {"b", b.port(), TargetState::draining}})});
  }
}

TEST(ProxyTables, SaysDrainedOnlyAfterTheLastRequestAndAgainOnANewLink) {
  Slot slot;
  std::latch go(1);
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      go.wait();
      if (!connection.answer("slow")) return;
    }
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  while (worker.stats_of("a").in_flight == 0) {
  }
  const auto ack = worker.publish({route_to({{"a", origin.port(), TargetState::draining}})});
  EXPECT_EQ(ack.stats.targets.at(0).in_flight, 1u);
  EXPECT_TRUE(worker.nothing_of(wire::TargetDrained::kType, 50));
  go.count_down();
  EXPECT_EQ(client.read_answer().body, "slow");
  EXPECT_EQ(worker.expect<wire::TargetDrained>().target, "a");
  worker.dial();
  EXPECT_EQ(worker.expect<wire::TargetDrained>().target, "a");
}

TEST(ProxyTables, D2HoldsRequestsUntilATargetIsReady) {
  Slot slot;
  Origin origin(always("late"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port(), TargetState::draining}})});
  Client client(slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_TRUE(client.quiet(50));
  worker.publish({route_to({{"a", origin.port()}})});
  EXPECT_EQ(client.read_answer().body, "late");
  EXPECT_EQ(worker.stats_of("a").held, 1u);
}

TEST(ProxyTables, Answers503WithRetryAfterWhenNoTargetComes) {
  Slot slot;
  WorkerProcess worker;
  auto soon = route_to({{"a", 1, TargetState::draining}});
  soon.hold.timeout = std::chrono::milliseconds(100);
  worker.start(slot, {soon, [] {
                        auto r = route_to({});
                        r.path = "/none";
                        return r;
                      }()});
  Client client(slot.http);
  const auto answer = client.get("/");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("Retry-After"), "1");
  EXPECT_EQ(answer.field("X-Fleet-Error"), "no-target");
  EXPECT_EQ(Client(slot.http).get("/none").status, 503);
  EXPECT_EQ(worker.stats().unavailable, 2u);
}

TEST(ProxyTables, CutsWhatIsLeftOnATargetThatIsGoneFromTheTable) {
  Slot slot;
  Origin origin([](OriginConnection& connection) {
    OriginConnection::Request request;
    connection.read_request(request);
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    connection.read_some();
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_FALSE(client.read_some(1).empty());
  worker.publish({route_to({})});
  EXPECT_FALSE(client.read_answer().whole);
  const auto last = worker.stats_of("a");
  EXPECT_EQ(last.failed, 1u) << "the last figures of a gone target come once more";
  EXPECT_EQ(worker.stats_of("a").target, "");
}

TEST(ProxyTables, RefusesAnOlderTableAndKeepsItsOwn) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.generation = 5;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  wire::Table old;
  old.table.generation = 3;
  worker.send(old);
  EXPECT_NE(worker.expect<wire::TableAck>().error, "");
  EXPECT_EQ(Client(slot.http).get("/").status, 200);
}

TEST(ProxyWorker, W1AndW2LetsIdleConnectionsAskOnceMoreAndThenCloses) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client plain(slot.http), secure(slot.https, Client::Tls{"shop.test"});
  EXPECT_EQ(plain.get("/").count("Connection: close"), 0);
  EXPECT_EQ(secure.get("/").count("Connection: close"), 0);
  wire::DrainWorker order;
  worker.send(order);
  EXPECT_TRUE(plain.quiet(100));
  for (auto* client : {&plain, &secure}) {
    const auto answer = client->get("/");
    EXPECT_EQ(answer.body, "ok");
    EXPECT_EQ(answer.count("Connection: close\r\n"), 1);
    EXPECT_TRUE(client->at_end());
    client->reset();
  }
  EXPECT_EQ(worker.expect<wire::WorkerDrained>().cut, 0u);
  EXPECT_EQ(worker.wait_exit(), 0);
}

TEST(ProxyWorker, W3DoesNotProcessWhatIsPipelinedBehindAClosingAnswer) {
  Slot slot;
  std::atomic<int> requests = 0;
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request) && ++requests && connection.answer("ok")) {
    }
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  client.send(
      "GET /1 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "ok");
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(requests, 1);
}

TEST(ProxyWorker, FinishesARequestUnderWayBeforeItExits) {
  Slot slot;
  std::latch go(1);
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    connection.read_request(request);
    go.wait();
    connection.answer("done");
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  while (worker.stats_of("a").in_flight == 0) {
  }
  ::kill(worker.pid(), SIGTERM);
  EXPECT_TRUE(worker.nothing_of(wire::WorkerDrained::kType, 50));
  go.count_down();
  EXPECT_EQ(client.read_answer().field("Connection"), "close");
  EXPECT_TRUE(client.at_end());
  client.reset();
  EXPECT_EQ(worker.wait_exit(), 0);
}

TEST(ProxyWorker, CutsWhatIsLeftAtTheDeadline) {
  Slot slot;
  Origin origin([](OriginConnection& connection) { connection.read_some(), connection.read_some(); });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client busy(slot.http), idle(slot.http);
  busy.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  while (worker.stats_of("a").in_flight == 0) {
  }
  wire::DrainWorker order;
  order.deadline = std::chrono::milliseconds(100);
  worker.send(order);
  EXPECT_EQ(worker.expect<wire::WorkerDrained>().cut, 1u);
  EXPECT_TRUE(busy.at_end());
  EXPECT_TRUE(idle.at_end());
  EXPECT_EQ(worker.wait_exit(), 0);
}

TEST(ProxyWorker, D14HandsOverToItsSuccessorUnderLoadWithoutOneFailure) {
  Slot slot;
  Origin origin(always("ok"));
  auto worker = std::make_unique<WorkerProcess>();
  worker->start(slot, {route_to({{"a", origin.port()}})});
  Load load(slot, 8);
  for (int i = 0; i < 10; ++i) {
    load.progress(200);
    auto successor = std::make_unique<WorkerProcess>();
    successor->start(slot, {route_to({{"a", origin.port()}})});
    worker->send(wire::DrainWorker{});
    EXPECT_EQ(worker->wait_exit(), 0);
    worker = std::move(successor);
  }
  load.stop();
  EXPECT_EQ(load.failed, 0);
}

TEST(ProxyWorker, D15RefusesNoConnectionAcrossUpgrades) {
  Slot slot;
  Origin origin(always("ok"));
  auto worker = std::make_unique<WorkerProcess>();
  worker->start(slot, {route_to({{"a", origin.port()}})});
  std::atomic<bool> stop = false;
  std::atomic<int> failed = 0, done = 0;
  std::thread clients([&] {
    while (!stop) {
      const auto answer = Client(slot.http).get("/", "shop.test", "Connection: close\r\n");
      answer.status == 200 ? ++done : ++failed;
    }
  });
  for (int i = 0; i < 10; ++i) {
    auto successor = std::make_unique<WorkerProcess>();
    successor->start(slot, {route_to({{"a", origin.port()}})});
    worker->send(wire::DrainWorker{});
    EXPECT_EQ(worker->wait_exit(), 0);
    worker = std::move(successor);
  }
  stop = true;
  clients.join();
  EXPECT_EQ(failed, 0);
  EXPECT_GT(done, 0);
}

TEST(ProxyLink, AnOrphanGoesOnAndAcceptsTheNextSupervisor) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  EXPECT_EQ(client.get("/").status, 200);
  worker.hang_up();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(Client(slot.https, Client::Tls{"shop.test"}).get("/").status, 200);
  worker.dial();
  EXPECT_EQ(worker.hello.state, wire::WorkerState::accepting);
  EXPECT_EQ(worker.hello.generation, 1u);
  EXPECT_EQ(worker.stats_of("a").requests, 22u);
}

TEST(ProxyLink, ANewerLinkReplacesTheOlder) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  worker.dial();
  EXPECT_EQ(worker.hello.state, wire::WorkerState::accepting);
  worker.publish({});
}

TEST(ProxyLink, GivesItsListenersBack) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  worker.send(wire::GiveListeners{});
  std::vector<os::Fd> fds;
  const auto given = worker.expect<wire::Listeners>(&fds);
  EXPECT_EQ(given, slot.message());
  ASSERT_EQ(fds.size(), 2u);
  sockaddr_storage wanted{}, got{};
  for (std::size_t i = 0; i < 2; ++i) {
    socklen_t size = sizeof wanted;
    ::getsockname(slot.fds()[i], reinterpret_cast<sockaddr*>(&wanted), &size);
    ::getsockname(fds[i].get(), reinterpret_cast<sockaddr*>(&got), &size);
    EXPECT_EQ(memcmp(&wanted, &got, size), 0);
  }
}

TEST(ProxyLink, KeepsItsKeysWhenNewOnesAreWrong) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  wire::Keys wrong;
  wrong.certificates = {make_certificate("one", {}), make_certificate("two", {})};
  std::swap(wrong.certificates[0].key_pem, wrong.certificates[1].key_pem);
  worker.send(wrong);
  EXPECT_NE(worker.expect<wire::KeysAck>().error.find("the key does not belong to the certificate"), std::string::npos);
  EXPECT_EQ(Client(slot.https, Client::Tls{"x"}).certificate_name(), "default");
}

}  // namespace
}  // namespace fleet::test
