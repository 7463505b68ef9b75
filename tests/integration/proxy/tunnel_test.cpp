// Upgrades and streams that may never end by themselves: P7, P12, W8, W9, D7.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <future>

#include "client.hpp"
#include "http/websocket.hpp"
#include "origin.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kAsk =
    "GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, X-Gone\r\nUpgrade: websocket\r\nX-Gone: 1\r\n"
    "Sec-WebSocket-Key: a2V5\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::string_view kAgree =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";

class ProxyTunnel : public testing::Test {
 protected:
  void serve(Origin::Handler handler, std::vector<std::string> arguments = {}) {
    worker.emplace(std::move(arguments));
    origin.emplace(std::move(handler));
    worker->start(slot, {route()});
  }
  // Agrees to the upgrade, then sends back what comes until its end.
  void serve_echo(std::vector<std::string> arguments = {}) {
    serve(
        [this](OriginConnection& connection) {
          std::string head;
          if (!connection.read_head(head)) return;
          {
            const std::lock_guard lock(mutex);
            asked = head;
          }
          connection.send(kAgree);
          for (;;) {
            const auto part = connection.read_some();
            if (part.empty()) break;
            connection.send(part);
          }
          connection.send("bye");
          closed = true;
        },
        std::move(arguments));
  }
  Route route(TargetState state = TargetState::ready) { return route_to({{"a", origin->port(), state}}); }
  static std::string read_exactly(Client& client, std::size_t size) {
    std::string got;
    while (got.size() < size) {
      const auto part = client.read_some(size - got.size());
      if (part.empty()) break;
      got += part;
    }
    return got;
  }
  static std::string read_head(Client& client) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      const auto part = client.read_some(1);
      if (part.empty()) break;
      head += part;
    }
    return head;
  }

  Slot slot;
  std::mutex mutex;
  std::string asked;
  std::atomic<bool> closed = false;
  std::optional<WorkerProcess> worker;  // ends before the origin does
  std::optional<Origin> origin;
};

TEST_F(ProxyTunnel, P7PassesTheUpgradeAndThenEveryByteAsItIs) {
  serve_echo();
  for (const bool tls : {false, true}) {
    Client client(tls ? slot.https : slot.http, tls ? std::optional(Client::Tls{"shop.test"}) : std::nullopt);
    client.send(kAsk);
    const auto head = read_head(client);
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ")) << head;
    EXPECT_NE(head.find("\r\nConnection: Upgrade\r\n"), std::string::npos) << head;
    EXPECT_NE(head.find("\r\nUpgrade: websocket\r\n"), std::string::npos);
    EXPECT_NE(head.find("\r\nSec-WebSocket-Accept: x\r\n"), std::string::npos);
    EXPECT_EQ(asked.find("X-Gone"), std::string::npos) << asked;
    EXPECT_NE(asked.find("\r\nSec-WebSocket-Key: a2V5"), std::string::npos) << asked;
    std::string bytes;
    for (int i = 0; i < 300000; ++i) bytes += static_cast<char>(i * 7 % 256);
    std::thread sender([&] { client.send(bytes); });
    if (tls) sender.join();  // one SSL object, one thread
    EXPECT_EQ(read_exactly(client, bytes.size()), bytes);
    if (!tls) sender.join();
  }
}

TEST_F(ProxyTunnel, P7SendsNothingOfTheTunnelBeforeTheApplicationAgrees) {
  std::promise<std::string> early;
  serve([&](OriginConnection& connection) {
    std::string head;
    if (!connection.read_head(head)) return;
    timeval short_time{0, 100000};
    ::setsockopt(connection.fd(), SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof short_time);
    early.set_value(connection.read_some());
    connection.send(kAgree);
    connection.send(connection.read_some());
  });
  Client client(slot.http);
  client.send(std::string(kAsk) + "hasty");
  EXPECT_EQ(early.get_future().get(), "");
  read_head(client);
  EXPECT_EQ(read_exactly(client, 5), "hasty");
}

TEST_F(ProxyTunnel, P7AnswersAsUsualWhereTheApplicationDoesNotUpgrade) {
  serve(always("no"));
  Client client(slot.http);
  client.send(kAsk);
  EXPECT_EQ(client.read_answer().body, "no");
  EXPECT_EQ(client.get("/").body, "no");  // the connection goes on
}

TEST_F(ProxyTunnel, S25NeverAsksForH2c) {
  serve_echo();
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 502);  // this origin upgrades all the same
  EXPECT_EQ(asked.find("pgrade"), std::string::npos) << asked;
}

TEST_F(ProxyTunnel, W8EndsOneDirectionOnly) {
  serve_echo();
  Client client(slot.http);
  client.send(kAsk);
  read_head(client);
  client.send("last");
  client.end_output();
  EXPECT_EQ(read_exactly(client, 7), "lastbye");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ProxyTunnel, W9LetsTheApplicationKnowThatTheClientIsGone) {
  serve_echo();
  Client client(slot.http);
  client.send(kAsk);
  read_head(client);
  client.reset();
  EXPECT_TRUE(eventually([&] { return closed.load(); }));
}

TEST_F(ProxyTunnel, EndsWhenNobodySpeaksForLong) {
  serve_echo({"--timeout", "tunnel-idle=200"});
  Client client(slot.http);
  client.send(kAsk);
  read_head(client);
  EXPECT_TRUE(client.at_end());
}

TEST_F(ProxyTunnel, D7StaysThroughADrainAndIsClosedAtAFrameBoundaryWhenTheTargetGoes) {
  std::promise<void> half;
  serve([&](OriginConnection& connection) {
    std::string head;
    if (!connection.read_head(head)) return;
    connection.send(kAgree);
    connection.send("\x82\x04wx");  // half a frame
    half.get_future().wait();
    connection.send("yz\x82\x02no");  // its rest, and one that is cut off
    connection.read_some();
  });
  Client client(slot.http);
  client.send(kAsk);
  read_head(client);
  EXPECT_EQ(read_exactly(client, 4), "\x82\x04wx");
  worker->publish({route(TargetState::draining)});
  EXPECT_TRUE(client.quiet(100));
  worker->publish({route_to({})});
  EXPECT_TRUE(client.quiet(200));
  half.set_value();
  EXPECT_EQ(read_exactly(client, 6), "yz" + http::close_frame(http::CloseCode::service_restart));
  EXPECT_TRUE(client.at_end());
}

TEST_F(ProxyTunnel, D7ClosesStreamsAtADeadlineOfTheirOwn) {
  serve_echo();
  Client client(slot.http);
  client.send(kAsk);
  read_head(client);
  auto draining = route(TargetState::draining);
  draining.drain_streams = 300ms;
  worker->publish({draining});
  EXPECT_EQ(read_exactly(client, 4), http::close_frame(http::CloseCode::service_restart));
}

TEST_F(ProxyTunnel, D7LeavesATargetThatMayComeBackAlone) {
  serve_echo();
  Client client(slot.http);
  client.send(kAsk);
  read_head(client);
  auto resting = route(TargetState::resting);
  resting.drain_streams = 100ms;
  worker->publish({resting});
  EXPECT_TRUE(client.quiet(400));
  client.send("x");
  EXPECT_EQ(read_exactly(client, 1), "x");
}

TEST_F(ProxyTunnel, D7SaysGoingAwayWhenTheWorkerEnds) {
  serve_echo();
  Client client(slot.http);
  client.send(kAsk);
  read_head(client);
  worker->send(wire::DrainWorker{200ms});
  EXPECT_EQ(read_exactly(client, 4), http::close_frame(http::CloseCode::going_away));
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(worker->wait_exit(), 0);
}

TEST_F(ProxyTunnel, P12PassesAServerSentEventAtOnce) {
  std::promise<void> next;
  serve([&](OriginConnection& connection) {
    std::string head;
    if (!connection.read_head(head)) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    next.get_future().wait();
    connection.send("data: 2\n\n");
    connection.read_some();
  });
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  read_head(client);
  EXPECT_EQ(read_exactly(client, 14), "9\r\ndata: 1\n\n\r\n");
  EXPECT_TRUE(client.quiet(50));
  next.set_value();
  EXPECT_EQ(read_exactly(client, 14), "9\r\ndata: 2\n\n\r\n");
  auto draining = route(TargetState::draining);
  draining.drain_streams = 100ms;
  worker->publish({draining});
  EXPECT_TRUE(client.at_end());  // D5: without a last chunk
}

}  // namespace
}  // namespace fleet::test
