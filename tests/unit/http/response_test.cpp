// PROXY-RULES S20, S21, and answers on their way to the client.
#include <gtest/gtest.h>

#include <string>

#include "http/forward.hpp"

namespace fleet::http {
namespace {

Parsed<Framing> framing_of(std::string_view text, Method method = Method::get) {
  ResponseHead head;
  HeadScanner scanner;
  const auto size = scanner.scan(text);
  if (!size) return refuse(size.error());
  if (auto parsed = parse_response(text.substr(0, *size), head); !parsed) return refuse(parsed.error());
  return response_framing(head, method);
}

TEST(HttpResponse, S20RefusesBadAnswers) {
  for (const char* bad : {
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
           "HTTP/1.1 200 OK\nX: a\n\n",
           "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 20 OK\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/1.1 600 OK\r\n\r\n",
           "HTTP/2.0 200 OK\r\n\r\n",
           "200 OK\r\n\r\n",
           "nonsense that goes on\r\n\r\n",
       }) {
    EXPECT_FALSE(framing_of(bad)) << bad;
  }
  EXPECT_TRUE(framing_of("HTTP/1.1 200\r\n\r\n"));
  EXPECT_TRUE(framing_of("HTTP/1.1 200 \r\n\r\n"));
}

TEST(HttpResponse, S21HasNoBodyForHead1xx204And304WhateverTheLengthSays) {
  const auto length = "Content-Length: 5\r\n\r\n";
  EXPECT_EQ(framing_of(std::string("HTTP/1.1 200 OK\r\n") + length, Method::head)->kind, BodyKind::none);
  for (const char* status : {"100", "103", "204", "304"}) {
    EXPECT_EQ(framing_of(std::string("HTTP/1.1 ") + status + " X\r\n" + length)->kind, BodyKind::none) << status;
  }
  EXPECT_EQ(framing_of(std::string("HTTP/1.1 200 OK\r\n") + length)->kind, BodyKind::length);
  EXPECT_EQ(framing_of("HTTP/1.1 200 OK\r\n\r\n")->kind, BodyKind::until_close);
  EXPECT_EQ(framing_of("HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n")->kind, BodyKind::none);
}

std::string written(std::string_view text, Persistence persistence, const ResponseRewrite& rewrite,
                    Method method = Method::get) {
  ResponseHead head;
  EXPECT_TRUE(parse_response(text, head));
  const auto framing = response_framing(head, method);
  char buffer[4096];
  Writer out(buffer, buffer + sizeof buffer);
  write_response(out, head, *framing, persistence, rewrite);
  return {buffer, out.size()};
}

TEST(HttpResponse, WritesOneFramingFieldAndOneConnectionField) {
  EXPECT_EQ(written("HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
                    "Server: s\r\nContent-Length: 2\r\nX-Fleet-Error: fake\r\n\r\n",
                    Persistence::close, {}),
            "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.0 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Persistence::keep, {}),
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", Persistence::keep, {}),
            "HTTP/1.1 204 No Content\r\n\r\n");
}

std::string location(const std::string& url, const ResponseRewrite& rewrite, const std::string& name = "Location") {
  const auto text = written("HTTP/1.1 302 Found\r\n" + name + ": " + url + "\r\nContent-Length: 0\r\n\r\n",
                            Persistence::keep, rewrite);
  const auto at = text.find(name + ": ") + name.size() + 2;
  return text.substr(at, text.find("\r\n", at) - at);
}

TEST(HttpRedirects, P10RewritesOnlyWhatNamesTheUpstream) {
  const ResponseRewrite https{true, true, "shop.example.com:8443", "20001"};
  EXPECT_EQ(location("http://127.0.0.1:20001/x?y#z", https), "https://shop.example.com:8443/x?y#z");
  EXPECT_EQ(location("http://localhost:20001", https), "https://shop.example.com:8443");
  EXPECT_EQ(location("http://[::1]:20001/", https), "https://shop.example.com:8443/");
  EXPECT_EQ(location("http://shop.example.com/x", https), "https://shop.example.com:8443/x");
  EXPECT_EQ(location("HTTP://SHOP.example.com:8443/x", https), "https://shop.example.com:8443/x");
  EXPECT_EQ(location("http://shop.example.com:20001/x", https), "https://shop.example.com:8443/x");
  for (const char* untouched : {"/x", "x", "//other/x", "https://shop.example.com/x", "http://other.example.com/x",
                                "http://127.0.0.1:9999/x", "http://127.0.0.1/x", "http://shop.example.com:81/x",
                                "http://u@127.0.0.1:20001/x", "http://127.0.0.1:20001.evil/x"}) {
    EXPECT_EQ(location(untouched, https), untouched);
  }
  const ResponseRewrite plain{true, false, "shop.example.com", "20001"};
  EXPECT_EQ(location("http://127.0.0.1:20001/x", plain), "http://shop.example.com/x");
  EXPECT_EQ(location("http://127.0.0.1:20001/x", {false, true, "shop.example.com", "20001"}),
            "http://127.0.0.1:20001/x");
}

TEST(HttpRedirects, P10RewritesContentLocationAndRefresh) {
  const ResponseRewrite https{true, true, "s", "1"};
  EXPECT_EQ(location("http://127.0.0.1:1/x", https, "Content-Location"), "https://s/x");
  EXPECT_EQ(location("5; url=http://127.0.0.1:1/x", https, "Refresh"), "5; url=https://s/x");
  EXPECT_EQ(location("5; URL='http://127.0.0.1:1/x'", https, "Refresh"), "5; URL='https://s/x'");
  EXPECT_EQ(location("5", https, "Refresh"), "5");
  EXPECT_EQ(location("5; url=", https, "Refresh"), "5; url=");
}

TEST(HttpResponse, P10GivesPathsThePrefixThatTheApplicationDoesNotKnowOf) {
  ResponseRewrite stripped{true, true, "shop.example.com", "20001"};
  stripped.prefix = "/api";
  const std::pair<const char*, const char*> cases[] = {
      {"/login?x", "/api/login?x"},
      {"/", "/api/"},
      {"/api", "/api"},
      {"/api/login", "/api/login"},
      {"/api?x", "/api?x"},
      {"/apis", "/api/apis"},
      {"login", "login"},
      {"//elsewhere.example/x", "//elsewhere.example/x"},
      {"http://127.0.0.1:20001/x", "https://shop.example.com/api/x"},
      {"http://127.0.0.1:20001/api/x", "https://shop.example.com/api/x"},
      {"http://127.0.0.1:20001", "https://shop.example.com"},
      {"https://elsewhere.example/x", "https://elsewhere.example/x"},
  };
  for (const auto& [from, to] : cases) EXPECT_EQ(location(from, stripped), to) << from;
}

}  // namespace
}  // namespace fleet::http
