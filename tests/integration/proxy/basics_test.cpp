#include <gtest/gtest.h>
#include <sys/wait.h>

#include "client.hpp"
#include "origin.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

// Sends back what it got.
void echo(OriginConnection& connection) {
  OriginConnection::Request request;
  while (connection.read_request(request) && connection.answer(request.head + "\r\n" + request.body)) {
  }
}

TEST(Proxy, ServesKeepAliveRequestsOverHttpAndHttps) {
  Slot slot;
  Origin origin(echo);
  WorkerProcess worker;
  EXPECT_EQ(worker.hello.state, wire::WorkerState::fresh);
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client plain(slot.http), secure(slot.https, Client::Tls{"shop.test"});
  ASSERT_TRUE(secure.connected());
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(plain.get("/x").status, 200);
    const auto answer = secure.post("/y?z=1", "body " + std::to_string(i));
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.body.ends_with("body " + std::to_string(i)));
    EXPECT_TRUE(answer.body.starts_with("POST /y?z=1 HTTP/1.1\r\nHost: shop.test\r\n"));
  }
  const auto stats = worker.stats_of("a");
  EXPECT_EQ(stats.requests, 100u);
  EXPECT_EQ(stats.in_flight, 0u);
  EXPECT_LE(origin.connections(), 2);
}

TEST(Proxy, ChoosesTheCertificateByServerName) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  const auto shown = [&](const std::string& name) { return Client(slot.https, Client::Tls{name}).certificate_name(); };
  EXPECT_EQ(shown("exact.test"), "exact");
  EXPECT_EQ(shown("EXACT.test"), "exact");
  EXPECT_EQ(shown("a.wild.test"), "wild");
  EXPECT_EQ(shown("a.b.wild.test"), "default");
  EXPECT_EQ(shown("wild.test"), "default");
  EXPECT_EQ(shown(""), "default");
}

TEST(Proxy, RedirectsToHttpsAsTheRouteSays) {
  Slot slot;
  Origin origin(echo);
  WorkerProcess worker;
  auto same = route_to({{"a", origin.port()}}), home = same;
  same.https_redirect = HttpsRedirect::same_uri;
  home.https_redirect = HttpsRedirect::home;
  home.path = "/home";
  worker.start(slot, {same, home});
  Client client(slot.http);
  const auto https = "https://shop.test:" + std::to_string(slot.https);
  const auto get = client.get("/a?b");
  EXPECT_EQ(get.status, 301);
  EXPECT_EQ(get.field("Location"), https + "/a?b");
  EXPECT_EQ(get.field("X-Fleet-Error"), "");
  EXPECT_EQ(client.get("/home/x").field("Location"), https + "/");
  EXPECT_EQ(client.post("/a", "x").status, 308);
  EXPECT_EQ(Client(slot.https, Client::Tls{"shop.test"}).get("/a?b").status, 200);
}

TEST(Proxy, RewritesTheRedirectsOfAnApplicationThatKnowsNothingOfIt) {
  Slot slot;
  Origin origin([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      const auto at = request.head.find("X-To: ") + 6;
      if (!connection.answer("", "Location: " + request.head.substr(at, request.head.find("\r\n", at) - at) + "\r\n",
                             302))
        return;
    }
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.https, Client::Tls{"shop.test"});
  const auto location = [&](const std::string& to) {
    return client.get("/", "shop.test", "X-To: " + to + "\r\n").field("Location");
  };
  EXPECT_EQ(location("http://127.0.0.1:" + std::to_string(origin.port()) + "/x?y"), "https://shop.test/x?y");
  EXPECT_EQ(location("http://shop.test/x"), "https://shop.test/x");
  EXPECT_EQ(location("/relative"), "/relative");
  EXPECT_EQ(location("http://elsewhere.test/"), "http://elsewhere.test/");
}

TEST(Proxy, RoutesByHostAndLongestPathAndSays404Otherwise) {
  Slot slot;
  Origin one(always("one")), two(always("two"));
  WorkerProcess worker;
  auto first = route_to({{"a", one.port()}}), second = route_to({{"b", two.port()}});
  first.hosts = {"shop.test"};
  second.hosts = {"shop.test"};
  second.path = "/api";
  worker.start(slot, {first, second});
  Client client(slot.http);
  EXPECT_EQ(client.get("/x").body, "one");
  EXPECT_EQ(client.get("/api/x", "SHOP.test:8080").body, "two");
  EXPECT_EQ(client.get("/apix").body, "one");
  const auto none = client.get("/", "other.test");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.field("X-Fleet-Error"), "no-route");
  EXPECT_EQ(client.get("/../x").status, 400);
}

TEST(Proxy, WritesALineForEachRequestIntoTheAppsLog) {
  Slot slot;
  Origin origin(echo);
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client(slot.https, Client::Tls{"shop.test"}).post("/p?q", "12345");
  const auto log = worker.logged("\n");
  EXPECT_EQ(log.find("{\"ts\":\""), 0u);
  for (const char* fact : {"\"app\":\"shop\"", "\"release\":1", "\"target\":\"a\"", "\"client\":\"127.0.0.1\"",
                           "\"method\":\"POST\"", "\"host\":\"shop.test\"", "\"path\":\"/p?q\"", "\"status\":200",
                           "\"bytes_in\":5", "\"tls\":\"TLSv1.3\"", "\"first_byte_ms\":"}) {
    EXPECT_NE(log.find(fact), std::string::npos) << fact << " in " << log;
  }
  EXPECT_EQ(log.find("retries"), std::string::npos);
}

TEST(Proxy, IsConfinedBeforeItMeetsTheNetwork) {
  WorkerProcess worker;
  EXPECT_EQ(worker.status_number("NoNewPrivs:"), 1);
#ifndef __SANITIZE_ADDRESS__
  EXPECT_EQ(worker.status_number("Seccomp:"), 2);
#endif
}

TEST(Proxy, SaysOnItsOwnWhatItIsAndWhyItCannotStart) {
  EXPECT_EQ(WEXITSTATUS(::system(FLEET_BIN_DIR "/fleet-proxy --version > /dev/null")), 0);
  EXPECT_EQ(WEXITSTATUS(::system(FLEET_BIN_DIR "/fleet-proxy --help > /dev/null")), 0);
  EXPECT_EQ(WEXITSTATUS(::system(FLEET_BIN_DIR "/fleet-proxy --id x --slot 0 2> /dev/null 3< /dev/null")), 2);
}

}  // namespace
}  // namespace fleet::test
