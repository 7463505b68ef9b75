// S26, T, W5, W6: what a client of HTTP/2 may not do for long, and how a drain ends its connection.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <list>
#include <thread>

#include "http2_fixture.hpp"

namespace fleet::test {
namespace {

using namespace std::chrono_literals;
using Now = std::chrono::steady_clock;
constexpr auto kCalm = static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM);
constexpr auto kRefused = static_cast<std::uint32_t>(NGHTTP2_REFUSED_STREAM);
constexpr std::int32_t kMaxStream = 0x7fffffff;

class ProxyHttp2Limits : public ProxyHttp2 {
 protected:
  // Sends `once` until the connection is ended; true when it was by a request to calm down.
  bool is_calmed(const std::function<void(Http2Client&)>& once, int most = 200000) {
    Http2Client client(slot.https);
    client.acknowledges = false;
    for (int i = 0; i < most && client.goaways.empty(); ++i) {
      once(client);
      while (!client.ended && !client.transport().quiet(0) && client.next()) {
      }
      if (client.ended) break;
    }
    client.until([] { return false; });
    return !client.goaways.empty() && client.goaways.back().second == kCalm;
  }
};

TEST_F(ProxyHttp2Limits, S26_RapidResets) {
  serve([](OriginConnection& connection) {
    while (!connection.read_some().empty()) {
    }
  });
  int begun = 0;
  EXPECT_TRUE(is_calmed([&](Http2Client& client) { client.reset(client.begin(Http2Client::get("/"))), ++begun; }, 2000));
  EXPECT_LT(begun, 1500);
  Http2Client other(slot.https);
  EXPECT_TRUE(other.connected());
}

TEST_F(ProxyHttp2Limits, S26_ResetsThatTheClientMakesTheProxySend) {
  serve([](OriginConnection& connection) {
    while (!connection.read_some().empty()) {
    }
  });
  EXPECT_TRUE(is_calmed([](Http2Client& client) {
    client.data(client.begin(Http2Client::post("/", {{"content-length", "1"}}), false), "too much");
  }, 2000));
  EXPECT_TRUE(is_calmed([](Http2Client& client) { client.begin(Http2Client::get("/", "shop.test", {{"A", "1"}})); }, 2000));
}

TEST_F(ProxyHttp2Limits, S26_AFloodOfContinuations) {
  serve(always("ok"));
  Http2Client client(slot.https);
  client.send(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, client.pack(Http2Client::get("/")));
  for (int i = 0; i < 100; ++i) client.send(NGHTTP2_CONTINUATION, 0, 1, "");
  client.until([] { return false; });
  ASSERT_FALSE(client.goaways.empty());
  EXPECT_EQ(client.goaways.back().second, kCalm);
}

TEST_F(ProxyHttp2Limits, S26_FloodsOfFramesThatCarryNothing) {
  serve(always("ok"));
  EXPECT_TRUE(is_calmed([](Http2Client& client) { client.send(NGHTTP2_PING, 0, 0, "12345678"); })) << "PING";
  EXPECT_TRUE(is_calmed([](Http2Client& client) { client.settings({}); })) << "SETTINGS";
  EXPECT_TRUE(is_calmed([](Http2Client& client) { client.send(NGHTTP2_PRIORITY, 0, 3, std::string(5, '\0')); })) << "PRIORITY";
  EXPECT_TRUE(is_calmed([](Http2Client& client) { client.send(0xbe, 0, 0, "x"); })) << "unknown";
  EXPECT_TRUE(is_calmed([](Http2Client& client) { client.window_update(0, 1); })) << "WINDOW_UPDATE";
  bool begun = false;
  EXPECT_TRUE(is_calmed([&](Http2Client& client) {
    if (!std::exchange(begun, true)) client.begin(Http2Client::post("/"), false);
    client.data(1, "");
  })) << "empty DATA";
}

TEST_F(ProxyHttp2Limits, S26_AFloodThatNobodyReadsTheAnswersOf) {
  serve(always("ok"));
  Http2Client client(slot.https);
  for (int i = 0; i < 200000 && client.send(NGHTTP2_PING, 0, 0, "12345678"); ++i) {
  }
  client.until([] { return false; });
  EXPECT_TRUE(client.ended);
  EXPECT_LT(client.pongs, 3000u);
}

TEST_F(ProxyHttp2Limits, S26_AHeaderBomb) {
  serve(always("ok"));
  Http2Client client(slot.https);
  Fields fields = Http2Client::get("/");
  for (int i = 0; i < 500; ++i) fields.emplace_back("x", std::string(3500, 'v'));  // one that is named 500 times
  const auto stream = client.begin(fields);
  client.until([] { return false; });
  EXPECT_EQ(client.of(stream).status, 0);
  ASSERT_FALSE(client.goaways.empty());
  EXPECT_EQ(client.goaways.back().second, kCalm);
  EXPECT_EQ(worker->stats_of("a").requests, 0u);
}

TEST_F(ProxyHttp2Limits, S26_AWindowThatStaysClosed) {
  serve(always(std::string(1000, 'x')), {"--timeout", "client-idle=300"});
  Http2Client client(slot.https, 0);
  const auto stream = client.begin(Http2Client::get("/"));
  const auto& answer = client.answer(stream);
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.ended);
  EXPECT_TRUE(answer.reset.has_value());
  EXPECT_EQ(worker->stats_of("a").in_flight, 0u);
}

TEST_F(ProxyHttp2Limits, T_AnAnswerAfterALongSilenceEndsNoOtherStream) {
  serve(
      [](OriginConnection& connection) {
        OriginConnection::Request request;
        while (connection.read_request(request)) {
          const auto at = Now::now() + (request.line().contains("/soon") ? 500ms : 800ms);
          while (Now::now() < at) std::this_thread::sleep_for(5ms);
          connection.answer("ok");
        }
      },
      {"--timeout", "client-idle=300"});
  Http2Client client(slot.https);
  const auto soon = client.begin(Http2Client::get("/soon")), later = client.begin(Http2Client::get("/later"));
  EXPECT_EQ(client.answer(soon).status, 200);
  EXPECT_EQ(client.answer(later).status, 200);
}

TEST_F(ProxyHttp2Limits, T_RefusesMoreThan100StreamsAtOnce) {
  std::latch go(1);
  serve([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      go.wait();
      connection.answer("ok");
    }
  });
  Http2Client client(slot.https);
  client.acknowledges = false;  // then it is no error yet
  for (int i = 0; i < 101; ++i) client.begin(Http2Client::get("/"));
  EXPECT_EQ(client.answer(201).reset, kRefused);
  go.count_down();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.answer(1 + 2 * i).status, 200);
}

TEST_F(ProxyHttp2Limits, T_ClosesAConnectionThatIsIdleWithAGoaway) {
  serve(always("ok"), {"--timeout", "keep-alive=300", "--timeout", "head=400"});
  Http2Client client(slot.https);
  EXPECT_EQ(client.fetch(Http2Client::get("/")).status, 200);
  const auto from = Now::now();
  client.until([] { return false; });
  EXPECT_TRUE(client.ended);
  ASSERT_EQ(client.goaways.size(), 1u);
  EXPECT_EQ(client.goaways.back(), (std::pair<std::int32_t, std::uint32_t>{1, NGHTTP2_NO_ERROR}));
  EXPECT_GE(Now::now() - from, 200ms);
  Http2Client silent(slot.https);
  silent.until([] { return false; });
  EXPECT_TRUE(silent.ended);
}

TEST_F(ProxyHttp2Limits, W5DrainsInTwoStepsAndLosesNoStream) {
  std::latch go(1);
  serve([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      if (request.has("/slow")) go.wait();
      connection.answer("ok");
    }
  });
  Http2Client client(slot.https), idle(slot.https);
  idle.fetch(Http2Client::get("/"));
  const auto slow = client.begin(Http2Client::get("/slow"));
  client.fetch(Http2Client::get("/"));
  worker->send(wire::DrainWorker{10s});
  ASSERT_TRUE(client.until([&] { return !client.goaways.empty(); }));
  const auto from = Now::now();
  EXPECT_EQ(client.goaways.back(), (std::pair<std::int32_t, std::uint32_t>{kMaxStream, NGHTTP2_NO_ERROR}));
  const auto between = client.begin(Http2Client::get("/"));
  EXPECT_EQ(client.answer(between).status, 200) << "one that crossed the first GOAWAY";
  ASSERT_TRUE(client.until([&] { return client.goaways.size() == 2; }));
  EXPECT_GE(Now::now() - from, 900ms);
  EXPECT_EQ(client.goaways.back(), (std::pair<std::int32_t, std::uint32_t>{between, NGHTTP2_NO_ERROR}));
  const auto late = client.begin(Http2Client::get("/"));
  EXPECT_EQ(client.answer(late).reset, kRefused);
  idle.until([] { return false; });
  EXPECT_EQ(idle.goaways.size(), 2u);
  go.count_down();
  EXPECT_EQ(client.answer(slow).body, "ok");
  const auto done = Now::now();
  client.until([] { return false; });
  EXPECT_TRUE(client.ended) << "W6: its streams are done";
  EXPECT_LT(Now::now() - done, 5s);
  EXPECT_EQ(worker->expect<wire::WorkerDrained>().cut, 0u);
  EXPECT_EQ(worker->wait_exit(), 0);
}

TEST_F(ProxyHttp2Limits, W6EndsAtTheDeadlineWithWhatIsNotDoneVisiblyCut) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    connection.read_request(request);
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    connection.read_some();
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::get("/"));
  ASSERT_TRUE(client.until([&] { return client.of(stream).body == "half"; }));
  worker->send(wire::DrainWorker{300ms});
  client.until([] { return false; });
  EXPECT_TRUE(client.ended);
  EXPECT_FALSE(client.of(stream).ended);
  EXPECT_EQ(worker->expect<wire::WorkerDrained>().cut, 1u);
  EXPECT_EQ(worker->wait_exit(), 0);
}

TEST_F(ProxyHttp2Limits, W8AnswersAClientThatHasEndedItsSide) {
  std::latch go(1);
  serve([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      go.wait();
      connection.answer("ok");
    }
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::get("/"));
  client.until([&] { return client.settings_acks > 0; });
  client.transport().end_output();
  go.count_down();
  EXPECT_EQ(client.answer(stream).body, "ok");
}

TEST_F(ProxyHttp2Limits, HoldsLittleForIdleConnections) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer keeps what was freed, and room around everything";
#endif
  serve(always("ok"));
  std::list<Http2Client> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(slot.https).fetch(Http2Client::get("/"));
  const auto before = worker->status_number("VmRSS:");
  for (int i = 0; i < 100; ++i) clients.emplace_back(slot.https).fetch(Http2Client::get("/"));
  EXPECT_LT(worker->status_number("VmRSS:") - before, 100 * 64) << "KiB of a hundred idle connections";
}

}  // namespace
}  // namespace fleet::test
