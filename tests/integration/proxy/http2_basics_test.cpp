// HTTP/2 to clients: requests, answers, bodies, and how a connection ends.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "http2_fixture.hpp"

namespace fleet::test {
namespace {

TEST_F(ProxyHttp2, IsChosenByAlpnAndAnswersARequest) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) connection.answer(request.line(), "X-Kind: Plain\r\n");
  });
  Http2Client client(slot.https);
  EXPECT_EQ(client.protocol(), "h2");
  const auto& answer = client.fetch(Http2Client::get("/a%2Fb?c"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "GET /a%2Fb?c HTTP/1.1");
  EXPECT_EQ(answer.field("x-kind"), "Plain");
  EXPECT_EQ(answer.field("content-length"), "21");
}

TEST_F(ProxyHttp2, AnswersManyStreamsAtOnce) {
  serve(always("hello"));
  Http2Client client(slot.https);
  for (int i = 0; i < 100; ++i) client.begin(Http2Client::get("/"));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.answer(1 + 2 * i).body, "hello");
}

TEST_F(ProxyHttp2, TakesABodyOfToldLengthAndOneOfNone) {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      connection.answer((request.has("Transfer-Encoding: chunked") ? "chunked " : "length ") + request.body);
    }
  });
  Http2Client client(slot.https);
  auto stream = client.begin(Http2Client::post("/", {{"content-length", "5"}}), false);
  client.data(stream, "he"), client.data(stream, "llo", true);
  EXPECT_EQ(client.answer(stream).body, "length hello");
  stream = client.begin(Http2Client::post("/"), false);
  client.data(stream, "hel"), client.data(stream, "lo"), client.data(stream, "", true);
  EXPECT_EQ(client.answer(stream).body, "chunked hello");
}

}  // namespace
}  // namespace fleet::test
