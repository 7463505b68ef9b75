#include <gtest/gtest.h>

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

}  // namespace
}  // namespace fleet::test
