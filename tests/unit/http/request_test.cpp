// Requests on their way to the application: PROXY-RULES S18, S23, P1, P2, P8, P11, and the redirect to https.
#include <gtest/gtest.h>

#include <string>

#include "http/redirects.hpp"

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

}  // namespace
}  // namespace fleet::http
