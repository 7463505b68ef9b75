// Behind an outer balancer: who the client is (P8, P9), loops (P3), and readiness.
#include <gmock/gmock.h>

#include <thread>

#include "client.hpp"
#include "origin.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::HasSubstr;
using testing::Not;

// Sends back what it got.
void echo(OriginConnection& connection) {
  OriginConnection::Request request;
  while (connection.read_request(request) && connection.answer(request.head + "\r\n")) {
  }
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
const std::string kV1 = "PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n";
const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string kV2 = kSignature + "\x21\x21\x00\x2b"s + "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07" +
                        std::string(16, '\0') + "\x12\x34\x00\x50"s + "\x04\x00\x04skip"s;
const std::string kLocal = kSignature + "\x20\x00\x00\x00"s;

// A worker whose two listeners are behind a balancer at 127.0.0.1.
struct Behind {
  explicit Behind(bool marked = true, std::vector<std::string> arguments = {}, std::string trusted = "127.0.0.0/8")
      : origin(echo), worker(std::move(arguments)) {
    worker.settings.trusted = {std::move(trusted)};
    if (marked) worker.settings.proxy_protocol = {{"127.0.0.1", slot.http}, {"127.0.0.1", slot.https}};
    route = route_to({{"a", origin.port()}});
    worker.start(slot, {route});
  }
  Slot slot;
  Origin origin;
  WorkerProcess worker;
  Route route;
};

TEST(ProxyProtocol, P9_TheHeaderTellsWhoTheClientIs) {
  Behind setup;
  for (const auto& [header, address] : {std::pair(kV1, "203.0.113.9"s), std::pair(kV2, "2001:db8::7"s)}) {
    Client client(setup.slot.http);
    client.send(header + kGet);
    EXPECT_THAT(client.read_answer().body, HasSubstr("X-Forwarded-For: " + address + "\r\nX-Real-IP: " + address));
    EXPECT_THAT(client.get("/again").body, HasSubstr("X-Real-IP: " + address));
  }
  EXPECT_EQ(setup.worker.stats().bad_proxy_headers, 0u);
}

TEST(ProxyProtocol, P9_TheHeaderComesBeforeTls) {
  Behind setup;
  for (const auto& header : {kV1, kV2}) {
    Client client(setup.slot.https, Client::Tls{.server_name = "shop.test", .preamble = header});
    ASSERT_TRUE(client.connected());
    EXPECT_THAT(client.get("/").body, HasSubstr(header == kV1 ? "X-Real-IP: 203.0.113.9" : "X-Real-IP: 2001:db8::7"));
  }
}

TEST(ProxyProtocol, P9_TheHeaderMayComeByteByByte) {
  Behind setup;
  for (const auto& header : {kV1, kV2}) {
    Client client(setup.slot.http);
    for (const char byte : header) {
      client.send({&byte, 1});
      std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(client.get("/").status, 200);
  }
}

TEST(ProxyProtocol, P9_WhereItTellsNothingTheBalancerIsTheClient) {
  Behind setup;
  for (const auto& header : {kLocal, "PROXY UNKNOWN\r\n"s}) {
    Client client(setup.slot.http);
    client.send(header + kGet);
    EXPECT_THAT(client.read_answer().body, HasSubstr("X-Real-IP: 127.0.0.1\r\n"));
  }
}

TEST(ProxyProtocol, P9_AMissingOrMalformedHeaderClosesTheConnection) {
  Behind setup;
  const std::vector<std::string> bad{kGet, "PROXY TCP4 1.1.1.1\r\n" + kGet, "PROXY TCP9 x\r\n", kSignature + "\x31",
                                     "\x16\x03\x01"};
  for (const auto& bytes : bad) {
    Client client(setup.slot.http);
    client.send(bytes);
    EXPECT_EQ(client.read_some(), "");
    EXPECT_TRUE(client.at_end());
  }
  EXPECT_EQ(setup.worker.stats().bad_proxy_headers, bad.size());
  EXPECT_EQ(setup.origin.connections(), 0);
}

TEST(ProxyProtocol, P9_OnlyTrustedPeersMayTell) {
  Behind setup(true, {}, "10.0.0.0/8");
  Client client(setup.slot.http);
  client.send(kV1 + kGet);
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(setup.worker.stats().bad_proxy_headers, 1u);
}

TEST(ProxyProtocol, P9_TheHeaderHasALimitedTime) {
  Behind setup(true, {"--timeout", "head=200"});
  Client silent(setup.slot.http), slow(setup.slot.http);
  slow.send("PROXY TCP4 203.0.");
  EXPECT_TRUE(silent.at_end());
  EXPECT_TRUE(slow.at_end());
  EXPECT_EQ(setup.worker.stats().bad_proxy_headers, 2u);
}

TEST(ProxyProtocol, P9_OtherListenersTakeNoHeader) {
  Behind setup(false);
  Client client(setup.slot.http);
  client.send(kV1 + kGet);
  EXPECT_EQ(client.read_answer().status, 400);
}

TEST(ProxyProtocol, P9_AReloadMarksAListenerForNewConnections) {
  Behind setup(false);
  Client before(setup.slot.http);
  EXPECT_EQ(before.get("/").status, 200);
  setup.worker.settings.proxy_protocol = {{"127.0.0.1", setup.slot.http}};
  setup.worker.publish({setup.route});
  Client after(setup.slot.http);
  after.send(kV1 + kGet);
  EXPECT_EQ(after.read_answer().status, 200);
  EXPECT_EQ(before.get("/").status, 200);
}

TEST(Forwarded, P8_WhatAnUntrustedPeerSaysIsReplaced) {
  Behind setup(false, {}, "10.0.0.0/8");
  Client client(setup.slot.http);
  const auto body =
      client.get("/", "shop.test", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n")
          .body;
  EXPECT_THAT(body, HasSubstr("X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"));
  EXPECT_THAT(body, Not(HasSubstr("6.6.6.6")));
}

TEST(Forwarded, P8_WhatATrustedPeerSaysIsAppendedTo) {
  Behind setup(false);
  Client client(setup.slot.http);
  const auto body = client
                        .get("/", "shop.test",
                             "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
                             "Connection: X-Forwarded-For\r\n")
                        .body;
  EXPECT_THAT(body, HasSubstr("X-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.1\r\n"));
  EXPECT_THAT(body, HasSubstr("X-Real-IP: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"));
  setup.worker.logged("203.0.113.9");
}

TEST(Forwarded, P8_TheClientsSchemeDecidesTheRedirectToHttps) {
  Behind setup(false);
  setup.route.https_redirect = HttpsRedirect::same_uri;
  setup.worker.publish({setup.route});
  Client client(setup.slot.http);
  EXPECT_EQ(client.get("/", "shop.test", "X-Forwarded-Proto: https\r\n").status, 200);
  const auto redirected = client.get("/a", "shop.test", "X-Forwarded-Proto: http\r\n");
  EXPECT_EQ(redirected.status, 301);
  EXPECT_EQ(redirected.field("Location"), "https://shop.test/a");  // the balancer's port, not ours
  // Over TLS from the balancer, for a client that came without.
  EXPECT_EQ(
      Client(setup.slot.https, Client::Tls{"shop.test"}).get("/", "shop.test", "X-Forwarded-Proto: http\r\n").status,
      301);
}

TEST(Forwarded, P8_TrustHoldsForOpenConnectionsAsSoonAsItIsPublished) {
  Behind setup(false, {}, "10.0.0.0/8");
  Client client(setup.slot.http);
  const std::string field = "X-Forwarded-For: 203.0.113.9\r\n";
  EXPECT_THAT(client.get("/", "shop.test", field).body, HasSubstr("X-Real-IP: 127.0.0.1"));
  setup.worker.settings.trusted = {"127.0.0.1/32"};
  setup.worker.publish({setup.route});
  EXPECT_THAT(client.get("/", "shop.test", field).body, HasSubstr("X-Real-IP: 203.0.113.9"));
}

TEST(Loops, P3_ARequestThatComesBackAgainAndAgainIsRefused) {
  Slot slot;
  WorkerProcess worker;
  worker.settings.node = "fleet-test";
  worker.start(slot, {route_to({{"itself", slot.http}})});
  Client client(slot.http);
  const auto answer = client.get("/");
  EXPECT_EQ(answer.status, 508);
  EXPECT_THAT(answer.body, HasSubstr("loop-detected"));  // the field is taken out by the worker's own next pass
  const auto stats = worker.stats();
  EXPECT_EQ(stats.loops, 1u);
  EXPECT_EQ(stats.accepted, 6u);  // the client's, and five that the worker made to itself
}

TEST(Loops, P3_SomebodyElsesPassesAreNoLoop) {
  Behind setup(false);
  setup.worker.settings.node = "fleet-test";
  setup.worker.publish({setup.route});
  Client client(setup.slot.http);
  const std::string others = "CDN-Loop: a, a, a, a, a, a, a, a\r\n";
  const auto answer = client.get("/", "shop.test", others);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("\r\n" + others + "CDN-Loop: fleet-test\r\n"));
}

struct Readiness : testing::Test {
  Readiness() : setup(false) {
    setup.worker.settings.ready_path = "/.fleet/ready";
    setup.worker.publish({setup.route});
  }
  Behind setup;
};

TEST_F(Readiness, P13_TheReadyPathAnswersForTheProxyItself) {
  Client client(setup.slot.http);
  for (const auto* host : {"shop.test", "nobody.test"}) EXPECT_EQ(client.get("/.fleet/ready", host).status, 200);
  EXPECT_EQ(client.get("/.fleet/ready?now").status, 200);
  client.send("HEAD /.fleet/ready HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.read_answer(true).status, 200);
  EXPECT_EQ(setup.origin.connections(), 0);
  EXPECT_THAT(client.get("/.fleet/ready/not").body, HasSubstr("GET /.fleet/ready/not"));
  EXPECT_THAT(client.post("/.fleet/ready", "x").body, HasSubstr("POST /.fleet/ready"));
}

TEST_F(Readiness, P13_NotReadyWithoutAnAppThatIs) {
  Client client(setup.slot.http);
  setup.worker.publish({route_to({{"a", setup.origin.port(), TargetState::draining}})});
  const auto answer = client.get("/.fleet/ready");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("X-Fleet-Error"), "not-ready");
  EXPECT_EQ(answer.field("Retry-After"), "1");
  setup.worker.publish({setup.route});
  EXPECT_EQ(client.get("/.fleet/ready").status, 200);
}

TEST_F(Readiness, P13_NotReadyWhileItDrains) {
  Client client(setup.slot.http);
  EXPECT_EQ(client.get("/.fleet/ready").status, 200);
  setup.worker.send(wire::DrainWorker{5s});
  setup.worker.stats();
  const auto answer = client.get("/.fleet/ready");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.count("Connection: close"), 1);
}

TEST_F(Readiness, P13_ReadyWhileASuccessorTakesOver) {
  Client client(setup.slot.http);
  EXPECT_EQ(client.get("/.fleet/ready").status, 200);
  setup.worker.send(wire::DrainWorker{5s, true});
  setup.worker.stats();
  const auto answer = client.get("/.fleet/ready");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.count("Connection: close"), 1);
}

}  // namespace
}  // namespace fleet::test
