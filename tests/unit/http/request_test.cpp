// Requests on their way to the application: PROXY-RULES S18, S23, P1, P2, P8, P11, and the redirect to https.
#include <gtest/gtest.h>

#include <string>

#include "http/redirects.hpp"
#include "http/route_index.hpp"

namespace fleet::http {
namespace {

std::string forwarded(const std::string& text, const Client& client = {"192.0.2.7", true}) {
  RequestHead head;
  EXPECT_TRUE(parse_request(text, head));
  const auto framing = request_framing(head);
  char buffer[8192];
  Writer out(buffer, buffer + sizeof buffer);
  write_request(out, head, *framing, client);
  return {buffer, out.size()};
}

const std::string kOurs =
    "X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n"
    "X-Forwarded-Port: 443\r\nForwarded: for=192.0.2.7;host=\"h\";proto=https\r\n\r\n";

TEST(HttpForward, S23WritesTheHeadAnew) {
  EXPECT_EQ(forwarded("GET /a%2Fb?c HTTP/1.0\r\nHost: h\r\nAccept:   x  \r\n\r\n"),
            "GET /a%2Fb?c HTTP/1.1\r\nHost: h\r\nAccept: x\r\n" + kOurs);
  EXPECT_EQ(forwarded("POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\nHost: h\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + kOurs);
  EXPECT_EQ(forwarded("POST / HTTP/1.1\r\nContent-Length: 007\r\nHost: h\r\nExpect: 100-Continue\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 7\r\n" + kOurs);
}

TEST(HttpForward, S18DropsNamesWithUnderscores) {
  EXPECT_EQ(forwarded("GET / HTTP/1.1\r\nHost: h\r\nX_Real_IP: 1\r\nContent_Length: 5\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: h\r\n" + kOurs);
}

TEST(HttpForward, P1RemovesHopByHopFieldsBeforeItAddsItsOwn) {
  EXPECT_EQ(forwarded("GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Forwarded-For, X-Gone, Forwarded\r\nX-Gone: 1\r\n"
                      "Keep-Alive: 5\r\nProxy-Connection: a\r\nTE: gzip\r\nUpgrade: websocket\r\nTrailer: X\r\n"
                      "HTTP2-Settings: x\r\nX-Stays: 1\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: h\r\nX-Stays: 1\r\n" + kOurs);
}

TEST(HttpForward, P1KeepsHostThoughConnectionNamesIt) {
  EXPECT_EQ(forwarded("GET / HTTP/1.1\r\nHost: h\r\nConnection: Host\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: h\r\n" + kOurs);
}

TEST(HttpForward, P2StripsInternalFieldsAndProxy) {
  EXPECT_EQ(forwarded("GET / HTTP/1.1\r\nHost: h\r\nX-Fleet-Release: 1\r\nx-fleet-anything: 1\r\nProxy: evil\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: h\r\n" + kOurs);
}

TEST(HttpForward, P8ReplacesWhatAnUntrustedPeerSaysAboutItself) {
  EXPECT_EQ(
      forwarded(
          "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: ftp\r\n"
          "X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n"),
      "GET / HTTP/1.1\r\nHost: h\r\n" + kOurs);
}

TEST(HttpForward, P8QuotesIpv6AndTellsThePortThatTheClientUsed) {
  const auto text = forwarded("GET / HTTP/1.1\r\nHost: h:8080\r\n\r\n", {"2001:db8::1", false});
  EXPECT_NE(text.find("X-Forwarded-For: 2001:db8::1\r\n"), std::string::npos);
  EXPECT_NE(text.find("X-Forwarded-Port: 8080\r\n"), std::string::npos);
  EXPECT_NE(text.find("Forwarded: for=\"[2001:db8::1]\";host=\"h:8080\";proto=http\r\n"), std::string::npos);
}

TEST(HttpRedirects, SendsClientsToHttpsAsConfigured) {
  const std::string text = "GET /a?b HTTP/1.1\r\nHost: Shop.example:8080\r\n\r\n";
  RequestHead head;
  ASSERT_TRUE(parse_request(text, head));
  EXPECT_EQ(https_location(HttpsRedirect::same_uri, head, 443), "https://Shop.example/a?b");
  EXPECT_EQ(https_location(HttpsRedirect::same_uri, head, 8443), "https://Shop.example:8443/a?b");
  EXPECT_EQ(https_location(HttpsRedirect::home, head, 443), "https://Shop.example/");
  EXPECT_EQ(https_redirect_status(Method::get), 301);
  EXPECT_EQ(https_redirect_status(Method::head), 301);
  EXPECT_EQ(https_redirect_status(Method::post), 308);
}

Route route(std::vector<std::string> hosts, std::string path) {
  Route made;
  made.hosts = std::move(hosts);
  made.path = std::move(path);
  return made;
}

TEST(HttpRoutes, TakesTheLongestPathOfTheExactHostElseOfAnyHost) {
  const RouteIndex index(
      {route({"a"}, "/"), route({"a"}, "/api"), route({"a", "b"}, "/api/v2/"), route({}, "/"), route({"c"}, "/only")});
  EXPECT_EQ(index.match("a", "/x"), 0u);
  EXPECT_EQ(index.match("a", "/api"), 1u);
  EXPECT_EQ(index.match("a", "/api/"), 1u);
  EXPECT_EQ(index.match("a", "/apix"), 0u);
  EXPECT_EQ(index.match("a", "/api/v2"), 2u);
  EXPECT_EQ(index.match("b", "/api/v2/x"), 2u);
  EXPECT_EQ(index.match("b", "/x"), 3u);
  EXPECT_EQ(index.match("c", "/x"), 3u);
  EXPECT_EQ(index.match("nobody", "/only"), 3u);
  EXPECT_EQ(RouteIndex({route({"a"}, "/api")}).match("a", "/"), std::nullopt);
  EXPECT_EQ(RouteIndex().match("a", "/"), std::nullopt);
}

TEST(HttpRoutes, MatchesHostsWithoutCasePortOrFinalDot) {
  std::string scratch;
  EXPECT_EQ(matching_host("Shop.Example.COM:8443", scratch), "shop.example.com");
  EXPECT_EQ(matching_host("shop.example.com.", scratch), "shop.example.com");
  EXPECT_EQ(matching_host("[::1]:80", scratch), "[::1]");
  EXPECT_EQ(matching_host("", scratch), "");
}

TEST(HttpRoutes, P11MatchesThePathDecodedOnce) {
  std::string scratch;
  EXPECT_EQ(*matching_path("/a%62c?d=%20", scratch), "/abc");
  EXPECT_EQ(*matching_path("/a%2fb", scratch), "/a/b");
  EXPECT_EQ(*matching_path("/%252e", scratch), "/%2e");
  EXPECT_EQ(*matching_path("*", scratch), "/");
  EXPECT_EQ(*matching_path("/a/../b", scratch), "/a/../b");
  for (const char* bad : {"/%00", "/a%0", "/%zz", "/%", "/..", "/../x", "/a/../../x", "/%2e%2e/x", "/a/..%2f../x"}) {
    EXPECT_FALSE(matching_path(bad, scratch)) << bad;
  }
}

}  // namespace
}  // namespace fleet::http
