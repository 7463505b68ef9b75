#include "api/server.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "served_backend.hpp"
#include "support/client.hpp"
#include "support/eventually.hpp"
#include "support/openapi/openapi.hpp"

namespace fleet::api {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::string kToken = "0123456789abcdef0123456789abcdef";

Limits quick() {
  Limits limits;
  limits.connections = 4;
  limits.read = milliseconds(300);
  limits.wrong_token = milliseconds(10);
  return limits;
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() { EXPECT_TRUE(fleetd.open()); }

  test::Peer local() {
    test::Peer peer;
    peer.unix_path = fleetd.socket_path();
    peer.server_name = "localhost";
    return peer;
  }

  test::Peer remote(bool tls = false) {
    test::Peer peer;
    peer.port = fleetd.tcp().value().port;
    peer.tls = tls;
    return peer;
  }

  ApiConfig on_loopback() {
    ApiConfig config;
    config.listen = Endpoint{"127.0.0.1", 0};
    config.token_file = fleetd.directory() + "/token";
    std::ofstream(config.token_file) << kToken << "\n";
    return config;
  }

  // What comes back for these bytes, to the end of the connection.
  std::string raw(const test::Peer& peer, const std::string& bytes) {
    auto connection = test::Connection::open(peer);
    EXPECT_TRUE(connection);
    EXPECT_TRUE(connection->send(bytes));
    const auto answer = connection->receive();
    return answer ? std::to_string(answer->status) : "nothing";
  }

  ServedBackend fleetd{quick()};
  const std::vector<std::string> json_body{"Content-Type: application/json"};
  const std::vector<std::string> with_token{"Authorization: Bearer " + kToken};
};

TEST_F(ServerTest, MakesASocketForItsGroupOnly) {
  struct stat info {};
  ASSERT_EQ(::stat(fleetd.socket_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
}

TEST_F(ServerTest, AnswersOneRequestAfterAnotherOnOneConnection) {
  auto connection = test::Connection::open(local());
  ASSERT_TRUE(connection);
  const test::OpenApi described;
  fleetd.with_backend([](FakeBackend& backend) { backend.status_view.started_at = "2026-11-22T23:31:10.123Z"; });
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(connection->send(test::request_text(local(), "GET", "/v1/status")));
    const auto answer = connection->receive();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->keeps);
    EXPECT_THAT(
        described.check_answer("GET", "/v1/status", answer->status, answer->header("Content-Type"), answer->body),
        IsEmpty());
  }
}

TEST_F(ServerTest, TakesTheBodyOfAPost) {
  const auto answer = test::fetch(local(), "POST", "/v1/apps/shop/deployments", json_body, R"({"url":"/srv/a.zip"})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 202);
  EXPECT_EQ(answer->body, "{\"id\":17}\n");
}

TEST_F(ServerTest, WritesTheAnswerToAShutdownBeforeItShutsDown) {
  const auto answer = test::fetch(local(), "POST", "/v1/shutdown", json_body, R"({"apps":true})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 202);
  fleetd.with_backend(
      [](FakeBackend& backend) { EXPECT_THAT(backend.asked, ::testing::ElementsAre("shutdown with apps")); });
}

TEST_F(ServerTest, RefusesWhatIsTooLongOrNoHttp) {
  const std::string post =
      "POST /v1/apps/shop/deployments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  EXPECT_EQ(raw(local(), post + "Content-Length: 2097152\r\n\r\n"), "413");
  EXPECT_EQ(raw(local(), "GET /healthz HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n"), "431");
  EXPECT_EQ(raw(local(), "hello\r\n\r\n"), "400");
  EXPECT_EQ(raw(local(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), "200");
}

TEST_F(ServerTest, ClosesAConnectionThatIsSlowWithItsHeadOrBody) {
  for (const std::string start : {"GET /healthz HT",
                                  "POST /v1/reload HTTP/1.1\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 10\r\n\r\n{"}) {
    EXPECT_EQ(raw(local(), start), "nothing") << start;
  }
}

TEST_F(ServerTest, TellsOneConnectionTooManyToComeBack) {
  std::vector<test::Connection> held;
  for (int i = 0; i < 4; ++i) held.push_back(std::move(*test::Connection::open(local())));
  auto refused = test::Connection::open(local());
  ASSERT_TRUE(refused);
  const auto answer = refused->receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  held.clear();
  // The room is free again once the server has seen them leave.
  EXPECT_TRUE(test::eventually([this] {
    const auto again = test::fetch(local(), "GET", "/healthz");
    return again && again->status == 200;
  }));
}

TEST_F(ServerTest, StreamsEventsAsTheyComeAndEndsAfterTheLast) {
  fleetd.with_backend([](FakeBackend& backend) { backend.deployments[17].id = 17; });
  auto publish = [&](EventType type) {
    fleetd.with_backend([&](FakeBackend& backend) {
      EventView event;
      event.type = type;
      event.deployment = 17;
      backend.events().publish(event);
    });
  };
  publish(EventType::deployment_started);
  std::string seen;
  int pieces = 0;
  auto connection = test::Connection::open(local());
  ASSERT_TRUE(connection->send(test::request_text(local(), "GET", "/v1/deployments/17/events")));
  const auto whole = connection->receive("GET", [&](std::string_view piece) {
    seen += piece;
    if (++pieces == 1) publish(EventType::deployment_finished);
  });
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->status, 200);
  EXPECT_THAT(seen, HasSubstr("deployment.started"));
  EXPECT_THAT(seen, HasSubstr("deployment.finished"));
}

TEST_F(ServerTest, EndsTheStreamOfAClientThatLeft) {
  std::vector<test::Connection> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(std::move(*test::Connection::open(local())));
    ASSERT_TRUE(held.back().send(test::request_text(local(), "GET", "/v1/events?follow")));
  }
  held.clear();
  EXPECT_TRUE(test::eventually([this] {
    const auto again = test::fetch(local(), "GET", "/healthz");
    return again && again->status == 200;
  }));
}

TEST_F(ServerTest, OpensToTcpOnlyWithTheToken) {
  ASSERT_TRUE(fleetd.configure(on_loopback()));
  EXPECT_EQ(test::fetch(remote(), "GET", "/v1/status")->status, 200);
  const auto refused = test::fetch(remote(), "POST", "/v1/reload");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
  EXPECT_THAT(std::string(refused->header("WWW-Authenticate")), StartsWith("Bearer"));
  EXPECT_EQ(test::fetch(remote(), "POST", "/v1/reload", with_token)->status, 200);
}

TEST_F(ServerTest, RefusesARequestThatABrowserWasTalkedInto) {
  ASSERT_TRUE(fleetd.configure(on_loopback()));
  auto rebound = remote();
  rebound.server_name = "evil.example";
  EXPECT_EQ(test::fetch(rebound, "GET", "/v1/status")->status, 403);
  EXPECT_EQ(test::fetch(remote(), "GET", "/v1/status", {"Origin: https://evil.example"})->status, 403);
}

TEST_F(ServerTest, NeedsACertificateOffLoopbackAndKeepsTheFormerListenerOnError) {
  ASSERT_TRUE(fleetd.configure(on_loopback()));
  const auto before = fleetd.tcp();
  auto config = on_loopback();
  config.listen = Endpoint{"0.0.0.0", 0};
  const auto refused = fleetd.configure(config);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, HasSubstr("needs a certificate"));
  config.certificate = config.key = fleetd.directory() + "/nothing.pem";
  EXPECT_FALSE(fleetd.configure(config));
  config = on_loopback();
  std::ofstream(config.token_file) << "short\n";
  EXPECT_FALSE(fleetd.configure(config));
  EXPECT_EQ(fleetd.tcp(), before);
  EXPECT_EQ(test::fetch(remote(), "POST", "/v1/reload", with_token)->status, 200);
}

TEST_F(ServerTest, SpeaksTlsWithTheConfiguredCertificate) {
  const std::string pem = fleetd.directory() + "/both.pem";
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=control -days 1"
      " -keyout " +
      pem + ".key -out " + pem + " 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  auto config = on_loopback();
  config.certificate = pem;
  config.key = pem + ".key";
  ASSERT_TRUE(fleetd.configure(config));
  EXPECT_EQ(test::fetch(remote(true), "GET", "/healthz")->status, 200);
  EXPECT_EQ(test::fetch(remote(true), "POST", "/v1/reload")->status, 401);
  EXPECT_EQ(test::fetch(remote(true), "POST", "/v1/reload", with_token)->status, 200);
}

TEST_F(ServerTest, ClosesTheTcpListenerWhenTheConfigurationNamesNone) {
  ASSERT_TRUE(fleetd.configure(on_loopback()));
  const auto peer = remote();
  ASSERT_TRUE(fleetd.configure(ApiConfig{}));
  EXPECT_FALSE(test::fetch(peer, "GET", "/healthz"));
}

}  // namespace
}  // namespace fleet::api
