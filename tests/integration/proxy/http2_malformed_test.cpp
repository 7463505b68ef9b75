// S24, S25: what HTTP/2 lets a client say and HTTP/1.1 must not hear.
#include <gtest/gtest.h>

#include <atomic>

#include "http2_fixture.hpp"

namespace fleet::test {
namespace {

class ProxyHttp2Malformed : public ProxyHttp2 {
 protected:
  void SetUp() override {
    serve([this](OriginConnection& connection) {
      OriginConnection::Request request;
      while (connection.read_request(request)) {
        ++reached;
        seen = request.head;
        connection.answer("ok");
      }
    });
    client.emplace(slot.https);
  }
  // The connection goes on after a request that is refused.
  void refuses(const Fields& fields, const std::string& what) {
    const auto& answer = client->fetch(fields);
    EXPECT_EQ(answer.status, 0) << what;
    EXPECT_EQ(answer.reset, NGHTTP2_PROTOCOL_ERROR) << what;
    EXPECT_EQ(client->fetch(Http2Client::get("/next")).status, 200) << what;
    EXPECT_EQ(reached.exchange(0), 1) << what;
  }
  int answers(const Fields& fields) { return client->fetch(fields).status; }

  std::atomic<int> reached = 0;
  std::string seen;
  std::optional<Http2Client> client;
};

TEST_F(ProxyHttp2Malformed, S24_RefusesWhatWouldBreakAField) {
  using namespace std::string_literals;
  refuses(Http2Client::get("/", "shop.test", {{"x", "a\r\nInjected: 1"}}), "CR LF in a value");
  refuses(Http2Client::get("/", "shop.test", {{"x", "a\nb"}}), "LF in a value");
  refuses(Http2Client::get("/", "shop.test", {{"x", "a\rb"}}), "CR in a value");
  refuses(Http2Client::get("/", "shop.test", {{"x", "a\0b"s}}), "NUL in a value");
  refuses(Http2Client::get("/", "shop.test", {{"x", " a"}}), "blank before a value");
  refuses(Http2Client::get("/", "shop.test", {{"x", "a "}}), "blank behind a value");
  refuses(Http2Client::get("/", "shop.test", {{"x: y", "1"}}), "colon in a name");
  refuses(Http2Client::get("/", "shop.test", {{"x\r\ny", "1"}}), "CR LF in a name");
  refuses(Http2Client::get("/", "shop.test", {{"x\0y"s, "1"}}), "NUL in a name");
  refuses(Http2Client::get("/", "shop.test", {{"x y", "1"}}), "blank in a name");
  refuses(Http2Client::get("/", "shop.test", {{"", "1"}}), "no name");
  refuses(Http2Client::get("/", "shop.test", {{"X-Upper", "1"}}), "upper case");
}

TEST_F(ProxyHttp2Malformed, S24_RefusesFieldsOfAConnection) {
  for (const auto& field : Fields{{"connection", "close"},
                                  {"connection", "x-forwarded-for"},
                                  {"keep-alive", "5"},
                                  {"proxy-connection", "keep-alive"},
                                  {"transfer-encoding", "chunked"},
                                  {"upgrade", "websocket"},
                                  {"te", "gzip"}}) {
    refuses(Http2Client::get("/", "shop.test", {field}), field.first);
  }
  EXPECT_EQ(answers(Http2Client::get("/", "shop.test", {{"te", "trailers"}})), 200);
  EXPECT_NE(seen.find("TE: trailers\r\n"), std::string::npos);
}

TEST_F(ProxyHttp2Malformed, S24_RefusesPseudoFieldsThatAreNotAsTheyMustBe) {
  const Fields good = Http2Client::get("/");
  const auto without = [&](const std::string& name) {
    Fields fields;
    for (const auto& field : good) {
      if (field.first != name) fields.push_back(field);
    }
    return fields;
  };
  const auto with = [&](const std::string& name, const std::string& value) {
    auto fields = without(name);
    fields.emplace_back(name, value);
    return fields;
  };
  for (const std::string name : {":method", ":scheme", ":path", ":authority"}) refuses(without(name), "no " + name);
  for (const auto& field : good) {
    auto twice = good;
    twice.push_back(field);
    refuses(twice, field.first + " twice");
  }
  auto late = without(":path");
  late.emplace_back("x", "1");
  late.emplace_back(":path", "/");
  refuses(late, "behind a field");
  auto unknown = good;
  unknown.emplace_back(":status", "200");
  refuses(unknown, ":status");
  refuses(with(":path", ""), "empty path");
  refuses(with(":path", "x"), "no slash");
  refuses(with(":path", "*"), "* for GET");
  refuses(with(":path", "/a b"), "blank in the path");
  refuses(with(":path", "/a\r\nb"), "CR LF in the path");
  refuses(with(":path", "http://evil.test/"), "absolute form");
  refuses(with(":method", "GE T"), "blank in the method");
  refuses(with(":method", "GET / HTTP/1.1\r\nX: 1\r\n\r\nGET"), "a request in the method");
  refuses(with(":scheme", "ftp"), "scheme");
  refuses(with(":scheme", "https://x/"), "a URL for a scheme");
  refuses(with(":authority", "a b"), "blank in the authority");
  refuses(with(":authority", "user@shop.test"), "user information");
  refuses(with(":authority", "shop.test\r\nX: 1"), "CR LF in the authority");
}

TEST_F(ProxyHttp2Malformed, S24_RefusesAHostThatIsNotTheAuthority) {
  refuses(Http2Client::get("/", "shop.test", {{"host", "evil.test"}}), "another");
  refuses(Http2Client::get("/", "shop.test", {{"host", "shop.test"}, {"host", "shop.test"}}), "twice");
  EXPECT_EQ(answers(Http2Client::get("/", "shop.test", {{"host", "SHOP.test"}})), 200);
  EXPECT_EQ(answers({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "shop.test"}}), 200);
  EXPECT_NE(seen.find("Host: shop.test\r\n"), std::string::npos);
}

TEST_F(ProxyHttp2Malformed, S24_RefusesALengthThatIsNotTheBodys) {
  refuses(Http2Client::get("/", "shop.test", {{"content-length", "5"}}), "a length and no body");
  refuses(Http2Client::post("/", {{"content-length", "-1"}}), "below zero");
  refuses(Http2Client::post("/", {{"content-length", "+0"}}), "signed");
  refuses(Http2Client::post("/", {{"content-length", "0"}, {"content-length", "0"}}), "twice");
  refuses(Http2Client::post("/", {{"content-length", "99999999999999999999"}}), "too large a number");
  for (const std::string body : {"four", "sixsix"}) {
    const auto stream = client->begin(Http2Client::post("/", {{"content-length", "5"}}), false);
    client->data(stream, body, true);
    EXPECT_EQ(client->answer(stream).reset, NGHTTP2_PROTOCOL_ERROR) << body;
    EXPECT_EQ(client->answer(stream).status, 0) << body;
  }
}

TEST_F(ProxyHttp2Malformed, RefusesMethodsAndProtocolsThatItHasNot) {
  auto fields = Http2Client::get("/");
  fields.front().second = "TRACE";
  EXPECT_EQ(answers(fields), 405);
  EXPECT_EQ(answers({{":method", "CONNECT"}, {":authority", "shop.test:443"}}), 0);
  fields.front().second = "CONNECT";
  fields.emplace_back(":protocol", "connect-udp");
  EXPECT_EQ(answers(fields), 501);
}

TEST_F(ProxyHttp2Malformed, T_LimitsTheHeaderList) {
  const std::string kib(1000, 'v');
  Fields fields = Http2Client::get("/");
  EXPECT_EQ(client->server_settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 0u);
  for (int i = 0; i < 70; ++i) fields.emplace_back("x" + std::to_string(i), kib);
  EXPECT_EQ(answers(fields), 431);
  EXPECT_EQ(client->server_settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 65536u);
  EXPECT_EQ(client->server_settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 100u);
  fields = Http2Client::get("/");
  for (int i = 0; i < 130; ++i) fields.emplace_back("x" + std::to_string(i), "1");
  EXPECT_EQ(answers(fields), 431);
  EXPECT_EQ(answers(Http2Client::get("/" + std::string(20000, 'p'))), 414);
  EXPECT_EQ(answers(Http2Client::get("/")), 200);
}

TEST_F(ProxyHttp2Malformed, S25_SpeaksNoHttp2WithoutTls) {
  Client prior(slot.http);
  prior.send(NGHTTP2_CLIENT_MAGIC);
  const auto refusal = prior.read_answer();
  EXPECT_TRUE(refusal.status == 400 || refusal.status == 505) << refusal.head;
  Client upgrading(slot.http);
  const auto answer = upgrading.get("/", "shop.test",
                                    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(seen.find("h2c"), std::string::npos) << seen;
}

TEST_F(ProxyHttp2Malformed, P13_AnswersAHostOfAnotherCertificateWith421) {
  EXPECT_EQ(answers(Http2Client::get("/", "exact.test")), 421);
  EXPECT_EQ(answers(Http2Client::get("/", "SHOP.test:443")), 200);
}

TEST_F(ProxyHttp2Malformed, TreatsABrokenFrameAsAnErrorOfTheConnection) {
  client->send(NGHTTP2_DATA, 0, 0, "no stream");
  client->until([] { return false; });
  ASSERT_FALSE(client->goaways.empty());
  EXPECT_EQ(client->goaways.back().second, static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
}

}  // namespace
}  // namespace fleet::test
