// What answers look like in HTTP/2, how bodies flow, and how streams end.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <chrono>
#include <latch>

#include "http2_fixture.hpp"
#include "support/eventually.hpp"

namespace fleet::test {
namespace {

using namespace std::chrono_literals;
constexpr auto kCancel = static_cast<std::uint32_t>(NGHTTP2_CANCEL);
constexpr auto kInternalError = static_cast<std::uint32_t>(NGHTTP2_INTERNAL_ERROR);
constexpr auto kNoError = static_cast<std::uint32_t>(NGHTTP2_NO_ERROR);

// Sends `text` for every request, and goes on or not.
Origin::Handler sends(std::string text, bool closes = false) {
  return [text = std::move(text), closes](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      connection.send(text);
      if (closes) return;
    }
  };
}

TEST_F(ProxyHttp2, P1SendsFieldsInLowerCaseWithoutThoseOfAConnection) {
  serve(sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Mixed-Case: Kept\r\nConnection: X-Gone\r\nX-Gone: 1\r\n"
              "Keep-Alive: 5\r\nX-Fleet-Error: forged\r\n\r\n"));
  Http2Client client(slot.https);
  const auto& answer = client.fetch(Http2Client::get("/"));
  EXPECT_EQ(answer.fields, (Fields{{":status", "200"}, {"x-mixed-case", "Kept"}, {"content-length", "0"}}));
}

TEST_F(ProxyHttp2, P10RewritesRedirectsToTheApplicationsOwnAddress) {
  serve([this](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      connection.answer("", "Location: http://127.0.0.1:" + std::to_string(origin->port()) + "/x\r\n", 302);
    }
  });
  Http2Client client(slot.https);
  EXPECT_EQ(client.fetch(Http2Client::get("/")).field("location"), "https://shop.test/x");
}

TEST_F(ProxyHttp2, P11ForwardsTheRequestAsHttp11WithCookiesJoined) {
  std::string seen;
  serve([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) seen = request.head, connection.answer("");
  });
  Http2Client client(slot.https);
  client.fetch(Http2Client::get("/a%2Fb?c", "shop.test:8443", {{"cookie", "a=1"}, {"x-y", "z"}, {"cookie", "b=2"}}));
  EXPECT_TRUE(seen.starts_with("GET /a%2Fb?c HTTP/1.1\r\nHost: shop.test:8443\r\ncookie: a=1; b=2\r\nx-y: z\r\n")) << seen;
  EXPECT_NE(seen.find("X-Forwarded-Proto: https\r\n"), std::string::npos);
}

TEST_F(ProxyHttp2, S21AnswersToHeadAndThoseWithoutBodyEndWithTheirHead) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      if (request.has("/304")) connection.send("HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n");
      else if (request.has("/204")) connection.send("HTTP/1.1 204 X\r\n\r\n");
      else connection.send("HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n");
    }
  });
  Http2Client client(slot.https);
  auto head = Http2Client::get("/");
  head.front().second = "HEAD";
  EXPECT_EQ(client.fetch(head).field("content-length"), "5");
  EXPECT_EQ(client.fetch(Http2Client::get("/304")).status, 304);
  EXPECT_EQ(client.fetch(Http2Client::get("/204")).status, 204);
  head.front().second = "HEAD", head[2].second = "nobody.test";
  Http2Client other(slot.https, Http2Client::kWindow, "");
  const auto& own = other.fetch(head);
  EXPECT_EQ(own.status, 404);
  EXPECT_TRUE(own.ended && own.body.empty());
}

TEST_F(ProxyHttp2, AnswersOfItsOwnKeepTheirStatusAndSayWhoseTheyAre) {
  serve(always(""));
  Http2Client client(slot.https, Http2Client::kWindow, "");
  const auto& answer = client.fetch(Http2Client::get("/", "nobody.test"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.field("x-fleet-error"), "no-route");
  EXPECT_EQ(answer.field("connection"), "");
  EXPECT_EQ(answer.body, "404 Not Found (no-route)\n");
}

TEST_F(ProxyHttp2, P5PassesInterimAnswersOn) {
  serve(sends("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  Http2Client client(slot.https);
  const auto& answer = client.fetch(Http2Client::get("/"));
  EXPECT_EQ(answer.interim, std::vector<int>{103});
  EXPECT_EQ(answer.interim_fields.back(), (std::pair<std::string, std::string>{"link", "</a.css>"}));
  EXPECT_EQ(answer.body, "ok");
}

TEST_F(ProxyHttp2, P4AsksForABodyThatWaitsToBeAskedFor) {
  serve([](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    connection.send("HTTP/1.1 100 Continue\r\n\r\n");
    connection.answer(connection.read_some());
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/", {{"expect", "100-continue"}, {"content-length", "4"}}), false);
  ASSERT_TRUE(client.until([&] { return !client.of(stream).interim.empty(); }));
  client.data(stream, "body", true);
  EXPECT_EQ(client.answer(stream).body, "body");
  EXPECT_EQ(client.fetch(Http2Client::get("/", "shop.test", {{"expect", "wonders"}})).status, 417);
}

TEST_F(ProxyHttp2, P6PassesTrailersBothWays) {
  std::string seen;
  serve([&](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    while (seen.find("\r\n\r\n", seen.find("0\r\n")) == std::string::npos) seen += connection.read_some();
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n");
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/"), false);
  client.data(stream, "abc");
  client.trailers(stream, {{"x-check", "1"}, {"authorization", "stolen"}});
  const auto& answer = client.answer(stream);
  EXPECT_EQ(answer.body, "ok");
  EXPECT_EQ(answer.trailers, (Fields{{"x-sum", "7"}}));
  EXPECT_NE(seen.find("0\r\nx-check: 1\r\n\r\n"), std::string::npos) << seen;
}

TEST_F(ProxyHttp2, S24_RefusesTrailersWithPseudoFields) {
  serve(always("ok"));
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/"), false);
  client.trailers(stream, {{":path", "/"}});
  EXPECT_EQ(client.answer(stream).reset, static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
}

TEST_F(ProxyHttp2, D5ABrokenAnswerIsReset) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    connection.read_request(request);
    if (request.has("/chunked")) connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    else connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
  });
  Http2Client client(slot.https);
  for (const std::string path : {"/", "/chunked"}) {
    const auto& answer = client.fetch(Http2Client::get(path));
    EXPECT_EQ(answer.body, "half");
    EXPECT_FALSE(answer.ended);
    EXPECT_EQ(answer.reset, kInternalError);
  }
  EXPECT_EQ(client.fetch(Http2Client::get("/", "shop.test:1")).reset, kInternalError);
}

TEST_F(ProxyHttp2, R11AnAnswerBeforeTheUploadEndsIsDeliveredAndTheUploadCalledOff) {
  serve([](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    connection.answer("enough", "Connection: close\r\n");
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/"), false);
  client.data(stream, "first");
  const auto& answer = client.answer(stream);
  EXPECT_EQ(answer.body, "enough");
  EXPECT_TRUE(answer.ended);
  client.until([&] { return client.of(stream).reset.has_value(); });
  EXPECT_EQ(answer.reset, kNoError);
}

TEST_F(ProxyHttp2, W1AnAnswerBeforeTheUploadEndsIsNotFollowedByAResetAtOnce) {
  serve([](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    connection.answer("enough", "Connection: close\r\n");
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/"), false);
  EXPECT_TRUE(client.answer(stream).ended);
  EXPECT_EQ(client.fetch(Http2Client::get("/")).body, "enough");
  EXPECT_EQ(client.of(stream).reset, std::nullopt) << "a client may lose the answer to it";
  client.data(stream, std::string(9000, 'x'));
  client.data(stream, "the last", true);
  EXPECT_EQ(client.fetch(Http2Client::get("/")).body, "enough") << "what nobody reads takes nothing of the connection's window";
  EXPECT_EQ(client.of(stream).reset, std::nullopt);
}

TEST_F(ProxyHttp2, W9AResetOfTheClientsCancelsTheRequestAtTheApplication) {
  std::atomic<bool> asked = false, cancelled = false;
  serve([&](OriginConnection& connection) {
    std::string head;
    if (!connection.read_head(head)) return;
    if (head.find("/fast") != std::string::npos) {
      connection.answer("ok");
      return;
    }
    asked = true;
    cancelled = connection.read_some().empty();
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::get("/slow"));
  ASSERT_TRUE(eventually([&] { return asked.load(); }));
  client.reset(stream, kCancel);
  ASSERT_TRUE(eventually([&] { return cancelled.load(); }));
  EXPECT_EQ(client.fetch(Http2Client::get("/fast")).body, "ok");
  EXPECT_EQ(worker->stats_of("a").client_aborted, 1u);
}

TEST_F(ProxyHttp2, W9TheEndOfTheConnectionCancelsAllRequests) {
  std::atomic<int> asked = 0, cancelled = 0;
  serve([&](OriginConnection& connection) {
    std::string head;
    if (!connection.read_head(head)) return;
    ++asked;
    if (connection.read_some().empty()) ++cancelled;
  });
  {
    Http2Client client(slot.https);
    for (int i = 0; i < 10; ++i) client.begin(Http2Client::get("/"));
    ASSERT_TRUE(eventually([&] { return asked == 10; }));
    client.transport().reset();
  }
  ASSERT_TRUE(eventually([&] { return cancelled == 10; }));
}

TEST_F(ProxyHttp2, P12AStalledStreamStopsTheApplicationAndNobodyElse) {
  std::atomic<std::uint64_t> sent = 0;
  std::atomic<bool> stalled = false;
  serve([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      if (!request.has("/big")) {
        connection.answer("small");
        continue;
      }
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
      const timeval limit{0, 300000};
      ::setsockopt(connection.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      const std::string block(1 << 16, 'd');
      while (connection.send(block)) sent += block.size();
      stalled = true;
      return;
    }
  });
  Http2Client client(slot.https);
  client.window_update(0, 1 << 20);
  client.gives_window = false;
  const auto big = client.begin(Http2Client::get("/big"));
  ASSERT_TRUE(eventually([&] { return stalled.load(); }));
  EXPECT_LT(sent, 32u << 20) << "what the kernel's buffers hold, and no more";
  EXPECT_EQ(client.fetch(Http2Client::get("/")).body, "small");
  EXPECT_EQ(client.of(big).body.size(), Http2Client::kWindow);
}

TEST_F(ProxyHttp2, P12AnApplicationThatDoesNotReadStopsTheClientAtTheWindow) {
  constexpr std::uint64_t kLong = 32u << 20;
  std::latch go(1);
  serve([&](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    go.wait();
    std::uint64_t got = 0;
    while (got < kLong) {
      const auto part = connection.read_some();
      if (part.empty()) return;
      got += part.size();
    }
    connection.answer(std::to_string(got));
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/", {{"content-length", std::to_string(kLong)}}), false);
  std::uint64_t sent = 0;
  const auto budget = [&] { return Http2Client::kWindow + client.windows[stream] - sent; };
  const std::string block(16384, 'u');
  // Until for half a second nothing is asked for.
  for (;;) {
    while (budget() >= block.size()) client.data(stream, block), sent += block.size();
    if (client.transport().quiet(500)) break;
    client.next();
  }
  EXPECT_LT(sent, kLong) << "what the kernel's buffers hold, and no more";
  go.count_down();
  while (sent < kLong) {
    if (budget() >= block.size()) client.data(stream, block), sent += block.size();
    else client.next();
  }
  client.data(stream, "", true);
  EXPECT_EQ(client.answer(stream).body, std::to_string(kLong));
}

TEST_F(ProxyHttp2, CarriesMuchBothWaysOnManyStreams) {
  const std::string big(300000, 'b');
  serve([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      if (request.has("/chunked")) {
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + big + "\r\n0\r\n\r\n");
      } else {
        connection.answer(request.body + big);
      }
    }
  });
  Http2Client client(slot.https);
  for (int i = 0; i < 40; ++i) client.begin(Http2Client::get(i % 2 == 0 ? "/" : "/chunked"));
  for (int i = 0; i < 40; ++i) EXPECT_EQ(client.answer(1 + 2 * i).body.size(), big.size());
  const std::string body(30000, 'u');
  for (int i = 0; i < 20; ++i) client.data(client.begin(Http2Client::post("/"), false), body, true);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.answer(81 + 2 * i).body, body + big);
}

TEST_F(ProxyHttp2, P12SendsAnEventOnAsItArrives) {
  std::atomic<int> step = 0;
  serve([&](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      connection.send("a\r\ndata: " + std::to_string(i) + "\n\n\n\r\n");
      if (!eventually([&] { return step > i; })) return;
    }
    connection.send("0\r\n\r\n");
  });
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::get("/"));
  for (int i = 0; i < 3; ++i) {
    const auto event = "data: " + std::to_string(i);
    ASSERT_TRUE(client.until([&] { return client.of(stream).body.find(event) != std::string::npos; }));
    ++step;
  }
  EXPECT_TRUE(client.answer(stream).ended);
}

TEST_F(ProxyHttp2, P7CarriesAWebSocketOverExtendedConnect) {
  std::string seen;
  serve([&](OriginConnection& connection) {
    connection.read_head(seen);
    connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello");
    for (;;) {
      const auto part = connection.read_some();
      if (part.empty()) break;
      connection.send("<" + part + ">");
    }
    connection.send("bye");
  });
  Http2Client client(slot.https);
  const auto stream = client.begin({{":method", "CONNECT"},
                                    {":protocol", "websocket"},
                                    {":scheme", "https"},
                                    {":path", "/chat"},
                                    {":authority", "shop.test"},
                                    {"sec-websocket-version", "13"},
                                    {"sec-websocket-protocol", "chat"}},
                                   false);
  auto& answer = client.of(stream);
  ASSERT_TRUE(client.until([&] { return answer.body == "hello"; })) << answer.body;
  EXPECT_EQ(client.server_settings[NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL], 1u);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("sec-websocket-protocol"), "chat");
  EXPECT_EQ(answer.field("sec-websocket-accept"), "");
  EXPECT_TRUE(seen.starts_with("GET /chat HTTP/1.1\r\n")) << seen;
  for (const std::string field : {"Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "sec-websocket-key: "}) {
    EXPECT_NE(seen.find(field), std::string::npos) << field;
  }
  client.data(stream, "\x81\x02hi");
  ASSERT_TRUE(client.until([&] { return answer.body == "hello<\x81\x02hi>"; }));
  client.data(stream, "", true);  // W8: the other direction goes on
  EXPECT_EQ(client.answer(stream).body, "hello<\x81\x02hi>bye");
  EXPECT_TRUE(answer.ended);
}

TEST_F(ProxyHttp2, P7AnswersAWebSocketThatTheApplicationRefusesAsItDoes) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) connection.answer("no", "", 403);
  });
  Http2Client client(slot.https);
  auto fields = Http2Client::get("/");
  fields.front().second = "CONNECT";
  fields.emplace_back(":protocol", "websocket");
  const auto& answer = client.answer(client.begin(fields, false));
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body, "no");
}

TEST_F(ProxyHttp2, IsLoggedAsWhatItIs) {
  serve(always("ok"));
  Http2Client client(slot.https);
  EXPECT_EQ(client.fetch(Http2Client::get("/logged")).status, 200);
  const auto log = worker->logged("/logged");
  EXPECT_NE(log.find("\"protocol\":\"HTTP/2.0\""), std::string::npos) << log;
}

}  // namespace
}  // namespace fleet::test
