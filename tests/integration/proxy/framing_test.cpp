// Smuggling, bad answers and bodies, over real sockets.
#include <gtest/gtest.h>

#include <future>

#include "client.hpp"
#include "origin.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

class ProxyFraming : public testing::Test {
 protected:
  void serve(Origin::Handler handler, std::vector<std::string> arguments = {}) {
    origin.emplace(std::move(handler));
    worker.emplace(std::move(arguments));
    worker->start(slot, {route_to({{"a", origin->port()}})});
  }
  void answering(std::string bytes) {
    serve([bytes = std::move(bytes)](OriginConnection& connection) {
      OriginConnection::Request request;
      if (connection.read_request(request)) connection.send(bytes);
    });
  }
  Slot slot;
  std::optional<Origin> origin;
  std::optional<WorkerProcess> worker;
};

TEST_F(ProxyFraming, S22RefusesSmugglingClosesAndSendsNothingOn) {
  serve(always("ok"));
  const std::string smuggled = "GET /admin HTTP/1.1\r\nHost: shop.test\r\n\r\n";
  for (const std::string& attempt : {
           std::string("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n0\r\n\r\n"),
           std::string("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n"),
           std::string("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: xchunked\r\n\r\n"),
           std::string("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
           std::string("GET / HTTP/1.1\nHost: shop.test\n\n"),
           std::string("GET / HTTP/1.1\r\nHost: shop.test\r\nX: a\r\n folded\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
       }) {
    Client client(slot.http);
    client.send(attempt + smuggled);
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.status, 400) << attempt;
    EXPECT_EQ(answer.count("Connection: close\r\n"), 1);
    EXPECT_NE(answer.field("X-Fleet-Error"), "");
    EXPECT_TRUE(client.at_end()) << attempt;
  }
  EXPECT_EQ(origin->connections(), 0);
}

TEST_F(ProxyFraming, S13RefusesABadChunkInTheMiddleOfABody) {
  serve(always("ok"));
  Client client(slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0x1\r\n");
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.field("X-Fleet-Error"), "bad-chunk");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ProxyFraming, S15DropsChunkExtensions) {
  serve([](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    std::string body;
    while (!body.ends_with("0\r\n\r\n")) body += connection.read_some();
    connection.answer(body);
  });
  Client client(slot.http);
  client.send(
      "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=\"x\"\r\nabc\r\n0;y\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "3\r\nabc\r\n0\r\n\r\n");
}

TEST_F(ProxyFraming, P6PassesTrailersBothWaysWithoutThoseThatGrantOrFrame) {
  std::promise<std::string> came;
  serve([&](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    std::string body;
    while (!body.ends_with("\r\n\r\n")) body += connection.read_some();
    came.set_value(body);
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Cost: 2\r\nSet-Cookie: a\r\n\r\n");
  });
  Client client(slot.http);
  client.send(
      "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n"
      "Authorization: x\r\nHost: evil\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(came.get_future().get(), "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n");
  std::string answer;
  for (std::string part = "."; !part.empty() && answer.find("\r\n0\r\n") == std::string::npos;) answer += part = client.read_some();
  EXPECT_TRUE(answer.ends_with("\r\n\r\n1\r\nx\r\n0\r\nX-Cost: 2\r\n\r\n")) << answer;
}

TEST_F(ProxyFraming, S19FramesTheBodyOfAGetExactly) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request) && connection.answer(request.line() + "|" + request.body)) {
    }
  });
  Client client(slot.http);
  client.send(
      "GET /1 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello"
      "GET /2 HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "GET /1 HTTP/1.1|hello");
  EXPECT_EQ(client.read_answer().body, "GET /2 HTTP/1.1|");
}

TEST_F(ProxyFraming, S20AnswersABadAnswerWith502) {
  answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok");
  const auto answer = Client(slot.http).get("/");
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.field("X-Fleet-Error"), "bad-upstream-answer");
}

TEST_F(ProxyFraming, RefusesAnUnaskedSwitchOfProtocols) {
  answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(Client(slot.http).get("/").status, 502);
}

TEST_F(ProxyFraming, S21ReadsNoBodyAfterHead204And304) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      const auto status = request.has("/204") ? "204" : request.has("/304") ? "304" : "200";
      if (!connection.send(std::string("HTTP/1.1 ") + status + " X\r\nContent-Length: 5\r\n\r\n" +
                           (request.has("GET /body") ? "hello" : ""))) {
        return;
      }
    }
  });
  Client client(slot.http);
  client.send("HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  const auto head = client.read_answer(true);
  EXPECT_EQ(head.field("Content-Length"), "5");
  EXPECT_EQ(client.get("/204").status, 204);
  EXPECT_EQ(client.get("/304").status, 304);
  EXPECT_EQ(client.get("/body").body, "hello");
  EXPECT_EQ(origin->connections(), 1);
}

TEST_F(ProxyFraming, D5ShowsTheClientThatAnAnswerWasCutShort) {
  answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  const auto chunked = Client(slot.http).get("/");
  EXPECT_EQ(chunked.status, 200);
  EXPECT_FALSE(chunked.whole);
  EXPECT_EQ(worker->stats_of("a").failed, 1u);
}

TEST_F(ProxyFraming, D5ShowsItWithALengthToo) {
  answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
  EXPECT_FALSE(Client(slot.http).get("/").whole);
}

TEST_F(ProxyFraming, SendsABodyThatEndsWithTheConnectionAsChunks) {
  answering("HTTP/1.1 200 OK\r\n\r\nuntil close");
  const auto answer = Client(slot.http).get("/");
  EXPECT_EQ(answer.field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(answer.body, "until close");
  EXPECT_TRUE(answer.whole);
}

TEST_F(ProxyFraming, GivesHttp10ClientsNoChunks) {
  answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  Client client(slot.http);
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.field("Transfer-Encoding"), "");
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_EQ(answer.body, "hello");
}

TEST_F(ProxyFraming, KeepsAnHttp10ConnectionWhenAsked) {
  serve(always("ok"));
  Client client(slot.http);
  for (int i = 0; i < 3; ++i) {
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(client.read_answer().field("Connection"), "keep-alive");
  }
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_answer().field("Connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ProxyFraming, AnswersPipelinedRequestsInOrder) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request) && connection.answer(request.line())) {
    }
  });
  Client client(slot.http);
  std::string all;
  for (int i = 0; i < 100; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: shop.test\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.read_answer().body, "GET /" + std::to_string(i) + " HTTP/1.1");
}

TEST_F(ProxyFraming, P4RelaysAContinueAndAFinalAnswerThatComesFirst) {
  serve([](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    if (head.find("/no") != std::string::npos) {
      connection.answer("no", "", 403);
      return;
    }
    connection.send("HTTP/1.1 100 Continue\r\n\r\n");
    connection.answer(connection.read_some());
  });
  Client client(slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  const auto begin = client.read_some();
  EXPECT_EQ(begin, "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  EXPECT_EQ(client.read_answer().body, "hello");
  Client refused(slot.http);
  refused.send("POST /no HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  const auto answer = refused.read_answer();
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_TRUE(refused.at_end());
}

TEST_F(ProxyFraming, P4SendsItsOwnContinueAfterSilence) {
  serve(always("ok"), {"--timeout", "continue-after=50"});
  Client client(slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_some(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(ProxyFraming, P5RelaysEarlyHintsToHttp11Only) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
      if (!connection.answer("ok")) return;
    }
  });
  Client client(slot.http);
  EXPECT_EQ(client.get("/").body, "ok");
  EXPECT_EQ(client.interim, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n");
  Client old(slot.http);
  old.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read_answer().status, 200);
  EXPECT_EQ(old.interim, "");
}

TEST_F(ProxyFraming, W8DeliversTheAnswerToAClientThatHasSentItsLast) {
  serve(always("ok"));
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  client.end_output();
  EXPECT_EQ(client.read_answer().body, "ok");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ProxyFraming, W9CancelsTheUpstreamRequestWhenTheClientResets) {
  std::atomic<bool> cancelled = false;
  serve([&](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    cancelled = connection.read_some().empty();
  });
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  while (worker->stats_of("a").in_flight == 0) {
  }
  ASSERT_TRUE(eventually([&] { return origin->connections() == 1; }));  // it has taken it
  client.reset();
  while (worker->stats_of("a").in_flight != 0) {
  }
  EXPECT_EQ(worker->stats_of("a").client_aborted, 1u);
  origin.reset();
  EXPECT_TRUE(cancelled);
}

TEST_F(ProxyFraming, TellsTimeoutsApart) {
  serve([](OriginConnection& connection) { connection.read_some(), connection.read_some(); },
        {"--timeout", "head=100", "--timeout", "client-idle=100", "--timeout", "upstream-idle=300", "--timeout",
         "keep-alive=100"});
  Client silent(slot.http), slow_head(slot.http), slow_body(slot.http), patient(slot.http);
  slow_head.send("GET / HT");
  slow_body.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nab");
  patient.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_TRUE(silent.at_end());
  EXPECT_EQ(slow_head.read_answer().status, 408);
  EXPECT_EQ(slow_body.read_answer().status, 408);
  EXPECT_EQ(patient.read_answer().status, 504);
}

}  // namespace
}  // namespace fleet::test
