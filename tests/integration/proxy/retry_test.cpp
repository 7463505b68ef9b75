// PROXY-RULES R over real sockets.
#include <gtest/gtest.h>

#include <atomic>

#include "client.hpp"
#include "origin.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

std::uint16_t refusing_port() {
  Origin origin([](OriginConnection&) {});
  return origin.port();  // free again, and nobody listens
}

// Answers one request on a connection, then waits for the next and ends the connection without an answer.
void answers_once(OriginConnection& connection) {
  OriginConnection::Request request;
  if (connection.read_request(request)) connection.answer("first");
  connection.read_request(request);
}

TEST(ProxyRetry, R1NeverShowsTheClientARefusedConnection) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"dead", refusing_port()}, {"alive", origin.port()}})});
  Client client(slot.http);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.post("/", "x").status, 200);
  EXPECT_EQ(worker.stats_of("alive").requests, 20u);
}

TEST(ProxyRetry, R1WaitsForTheNextTableWhenEveryTargetRefuses) {
  Slot slot;
  Origin origin(always("new"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"crashed", refusing_port()}})});
  Client client(slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_TRUE(client.quiet(50));
  worker.publish({route_to({{"fresh", origin.port()}})});
  EXPECT_EQ(client.read_answer().body, "new");
}

TEST(ProxyRetry, R1GivesUpWith502WhenTheHoldTimeIsOver) {
  Slot slot;
  WorkerProcess worker({"--timeout", "hold-retry=50"});
  auto route = route_to({{"dead", refusing_port()}});
  route.hold.timeout = std::chrono::milliseconds(200);
  worker.start(slot, {route});
  Client client(slot.http);
  const auto answer = client.get("/");
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.field("X-Fleet-Error"), "connect-failed");
}

TEST(ProxyRetry, R2ReplaysAnIdempotentRequestOnANewConnection) {
  Slot slot;
  Origin origin(answers_once);
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  EXPECT_EQ(client.get("/").body, "first");
  EXPECT_EQ(client.get("/").body, "first");
  EXPECT_EQ(origin.connections(), 2);
  EXPECT_EQ(worker.stats_of("a").retried, 1u);
}

// The table that the request was claimed by has no ready target any more; the one in force has.
TEST(ProxyRetry, R2ReplaysWhatADrainingProcessThatDiesHadOnItsSuccessor) {
  Slot slot;
  std::atomic<bool> asked = false, dies = false;
  Origin old([&](OriginConnection& connection) {
    OriginConnection::Request request;
    asked = connection.read_request(request);
    (void)eventually([&] { return dies.load(); });
  });
  Origin successor(always("new"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"old", old.port()}})});
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return asked.load(); }));
  worker.publish({route_to({{"old", old.port(), TargetState::draining}, {"new", successor.port()}})});
  dies = true;
  EXPECT_EQ(client.read_answer().body, "new");
}

TEST(ProxyRetry, R2LetsAProcessThatDiesDieBeforeItsOnlyReplay) {
  Slot slot;
  std::atomic<int> requests = 0;
  std::chrono::steady_clock::time_point died;
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      const int number = ++requests;
      if (number == 2) died = std::chrono::steady_clock::now();
      if (number > 1 && std::chrono::steady_clock::now() - died < std::chrono::milliseconds(10)) return;
      connection.answer("answered");
    }
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(client.get("/").status, 200) << "the replay came while its listener was still open";
}

TEST(ProxyRetry, R3NeverReplaysAPostThatMayHaveArrived) {
  Slot slot;
  std::atomic<int> posts = 0;
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    if (connection.read_request(request)) connection.answer("first");
    if (connection.read_request(request) && request.line().starts_with("POST")) ++posts;
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  EXPECT_EQ(client.get("/").status, 200);
  const auto answer = client.post("/", "once");
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.field("X-Fleet-Error"), "upstream-closed");
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_EQ(posts, 1);
  EXPECT_EQ(worker.stats_of("a").failed, 1u);
}

TEST(ProxyRetry, R4NeverSendsAPostOnAConnectionThatHasBeenIdle) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker({"--timeout", "fresh-enough=0"});
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(origin.connections(), 1);
  EXPECT_EQ(client.post("/", "x").status, 200);
  EXPECT_EQ(origin.connections(), 2);
}

TEST(ProxyRetry, R4NeverReusesAConnectionThatHasEnded) {
  Slot slot;
  std::atomic<int> closed = 0;
  Origin origin([&](OriginConnection& connection) {  // says nothing of closing, and closes
    OriginConnection::Request request;
    if (!connection.read_request(request)) return;
    connection.answer("ok");
    connection.close();
    ++closed;
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  for (int i = 1; i <= 40; ++i) {
    EXPECT_EQ(client.post("/", "x").status, 200);
    ASSERT_TRUE(eventually([&] { return closed == i; }));
  }
}

TEST(ProxyRetry, R5NeverRetriesAfterTheFirstByteOfAnAnswer) {
  Slot slot;
  Origin origin([](OriginConnection& connection) {
    OriginConnection::Request request;
    if (connection.read_request(request)) connection.send("HTTP/1.1 200 OK\r\nContent-");
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  EXPECT_EQ(Client(slot.http).get("/").status, 502);
  EXPECT_EQ(origin.connections(), 1);
}

TEST(ProxyRetry, R6NeverRetriesABodyBeyondTheReplayWindow) {
  Slot slot;
  Origin origin([](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    for (std::size_t got = 0; got < 300000;) got += connection.read_some().size();
    connection.reset();
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  client.send("PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 300000\r\n\r\n" + std::string(300000, 'x'));
  EXPECT_EQ(client.read_answer().status, 502);
  EXPECT_EQ(origin.connections(), 1);
}

TEST(ProxyRetry, R11DeliversAnAnswerThatComesWhileTheUploadStillRuns) {
  Slot slot;
  Origin origin([](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    connection.answer("enough", "Connection: close\r\n", 413);
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000000\r\n\r\nbegin");
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "enough");
  EXPECT_TRUE(client.at_end());
}

TEST(ProxyRetry, R12DiscardsAPooledConnectionWithUnaskedBytes) {
  Slot slot;
  std::atomic<int> poisoned = 0;
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      connection.answer("ok");
      connection.answer("poison", "", 408);
      ++poisoned;
    }
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.get("/").body, "ok");
    ASSERT_TRUE(eventually([&] { return poisoned > i; }));
  }
}

}  // namespace
}  // namespace fleet::test
