// Heads of HTTP/2 made into those of HTTP/1.1: PROXY-RULES S24, P7, T.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "http/forward.hpp"
#include "http/http2_head.hpp"

namespace fleet::http {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

const Fields kGood{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/a?b"}};

Fields with(Fields more) {
  auto all = kGood;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Fields replaced(const std::string& name, const std::string& value) {
  auto all = kGood;
  for (auto& field : all) {
    if (field.first == name) field.second = value;
  }
  return all;
}

struct Made {
  std::string fault;  // empty: none
  std::string text;   // the request as it goes to the application, without what is added about the client
};

Made made(const Fields& fields, bool ended = true) {
  Http2Head from;
  for (const auto& [name, value] : fields) from.add(name, value);
  RequestHead head;
  if (const auto settled = from.settle(head, "key"); !settled) return {std::string(name(settled.error())), {}};
  const auto framing = http2_request_framing(head, ended);
  if (!framing) return {std::string(name(framing.error())), {}};
  char buffer[64 << 10];
  Writer out(buffer, buffer + sizeof buffer);
  write_request(out, head, *framing, Client{"192.0.2.7", true});
  const std::string text(buffer, out.size());
  return {{}, text.substr(0, text.find("X-Forwarded-For"))};
}

TEST(Http2Head, BecomesOneOfHttp11) {
  EXPECT_EQ(made(kGood).text, "GET /a?b HTTP/1.1\r\nHost: h\r\n");
  EXPECT_EQ(made(with({{"accept", "x"}})).text, "GET /a?b HTTP/1.1\r\nHost: h\r\naccept: x\r\n");
  EXPECT_EQ(made(with({{"host", "H"}})).text, "GET /a?b HTTP/1.1\r\nHost: H\r\n");
  EXPECT_EQ(made(with({{"cookie", "a=1"}, {"cookie", "b=2"}, {"cookie", "c=3"}})).text,
            "GET /a?b HTTP/1.1\r\nHost: h\r\ncookie: a=1; b=2; c=3\r\n");
  EXPECT_EQ(made(with({{"te", "trailers"}})).text, "GET /a?b HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n");
  EXPECT_EQ(made(with({{"expect", "100-continue"}}), false).text,
            "GET /a?b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n");
}

TEST(Http2Head, FramesTheBodyByItsLengthOrInChunks) {
  EXPECT_EQ(made(with({{"content-length", "5"}}), false).text, "GET /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n");
  EXPECT_EQ(made(with({{"content-length", "0"}})).text, "GET /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n");
  EXPECT_EQ(made(kGood, false).text, "GET /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n");
  EXPECT_EQ(made(with({{"content-length", "5"}})).fault, "bad-length");
  EXPECT_EQ(made(with({{"content-length", "5"}, {"content-length", "5"}}), false).fault, "bad-length");
  EXPECT_EQ(made(with({{"content-length", "+5"}}), false).fault, "bad-length");
}

TEST(Http2Head, P7MakesAHandshakeOfAnExtendedConnect) {
  auto fields = replaced(":method", "CONNECT");
  fields.emplace_back(":protocol", "websocket");
  EXPECT_EQ(made(fields, false).text,
            "GET /a?b HTTP/1.1\r\nHost: h\r\nsec-websocket-key: key\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
  fields.back().second = "connect-udp";
  EXPECT_EQ(made(fields, false).fault, "unsupported-protocol");
  EXPECT_EQ(made({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", "h"}, {":protocol", "websocket"}})
                .fault,
            "bad-request-line");
  EXPECT_EQ(made({{":method", "CONNECT"}, {":authority", "h:443"}}).fault, "bad-request-line");
}

TEST(Http2Head, S24RefusesWhatHttp11MustNotHear) {
  using namespace std::string_literals;
  const std::pair<Fields, std::string> cases[] = {
      {with({{"x", "a\r\nb: c"}}), "bad-field"},
      {with({{"x", "a\nb"}}), "bad-field"},
      {with({{"x", "a\0b"s}}), "bad-field"},
      {with({{"x", " a"}}), "bad-field"},
      {with({{"x", "a\t"}}), "bad-field"},
      {with({{"x: y", "1"}}), "bad-field"},
      {with({{"x\ny", "1"}}), "bad-field"},
      {with({{"", "1"}}), "bad-field"},
      {with({{"X", "1"}}), "bad-field"},
      {with({{"connection", "x"}}), "bad-field"},
      {with({{"keep-alive", "x"}}), "bad-field"},
      {with({{"proxy-connection", "x"}}), "bad-field"},
      {with({{"transfer-encoding", "chunked"}}), "bad-field"},
      {with({{"upgrade", "x"}}), "bad-field"},
      {with({{"te", "trailers, gzip"}}), "bad-field"},
      {with({{":path", "/"}}), "bad-field"},
      {with({{":status", "200"}}), "bad-field"},
      {with({{"x", "1"}, {":protocol", "websocket"}}), "bad-field"},
      {with({{"host", "other"}}), "bad-host"},
      {with({{"host", "h"}, {"host", "h"}}), "bad-host"},
      {replaced(":authority", "a b"), "bad-host"},
      {replaced(":authority", "u@h"), "bad-host"},
      {replaced(":path", ""), "bad-target"},
      {replaced(":path", "x"), "bad-target"},
      {replaced(":path", "*"), "bad-target"},
      {replaced(":path", "/a b"), "bad-target"},
      {replaced(":path", "http://h/"), "bad-target"},
      {replaced(":scheme", "ftp"), "bad-target"},
      {replaced(":method", "G T"), "bad-request-line"},
      {replaced(":method", ""), "bad-request-line"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}}, "bad-request-line"},
      {{{":method", "GET"}, {":path", "/"}, {":authority", "h"}}, "bad-request-line"},
      {{{":scheme", "https"}, {":path", "/"}, {":authority", "h"}}, "bad-request-line"},
      {{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}, "bad-host"},
  };
  for (const auto& [fields, fault] : cases) {
    EXPECT_EQ(made(fields).fault, fault) << fields.back().first << ": " << fields.back().second;
  }
}

TEST(Http2Head, THasLimits) {
  Fields many = kGood, cookies = kGood, large = kGood;
  for (int i = 0; i < 128; ++i) many.emplace_back("x", "1");
  for (int i = 0; i < 500; ++i) cookies.emplace_back("cookie", "a=1");
  for (int i = 0; i < 70; ++i) large.emplace_back("x", std::string(1000, 'v'));
  EXPECT_EQ(made(many).fault, "too-many-fields");
  EXPECT_EQ(made(cookies).fault, "") << "they are one field";
  EXPECT_EQ(made(large).fault, "head-too-large");
  EXPECT_EQ(made(replaced(":path", "/" + std::string(20000, 'p'))).fault, "target-too-long");
}

TEST(Http2Head, CanBeUsedAgain) {
  Http2Head from;
  RequestHead head;
  for (const std::string path : {"/first", "/second"}) {
    for (const auto& [name, value] : replaced(":path", path)) from.add(name, value);
    ASSERT_TRUE(from.settle(head, ""));
    EXPECT_EQ(head.target, path);
    from.clear();
  }
}

}  // namespace
}  // namespace fleet::http
