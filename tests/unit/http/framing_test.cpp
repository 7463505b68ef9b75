// PROXY-RULES S for requests: each test is named after its rule.
#include <gtest/gtest.h>

#include <string>

#include "http/framing.hpp"

namespace fleet::http {
namespace {

struct Outcome {
  int status = 200;
  RequestHead head;
  Framing framing;
};

// What the proxy makes of a request's head: 200, or the status it is refused with. The text must outlive the outcome.
Outcome outcome(std::string_view text) {
  Outcome out;
  HeadScanner scanner;
  const auto size = scanner.scan(text);
  if (!size) return out.status = status_of(size.error()), out;
  if (*size == 0) return out.status = 0, out;
  if (auto parsed = parse_request(text.substr(0, *size), out.head); !parsed) {
    return out.status = status_of(parsed.error()), out;
  }
  const auto framing = request_framing(out.head);
  if (!framing) return out.status = status_of(framing.error()), out;
  out.framing = *framing;
  return out;
}

int with_fields(const std::string& fields) {
  const std::string text = "POST /x HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
  return outcome(text).status;
}

int with_line(const std::string& line) {
  const std::string text = line + "\r\nHost: h\r\n\r\n";
  return outcome(text).status;
}

TEST(HttpFraming, S1RefusesContentLengthWithTransferEncoding) {
  EXPECT_EQ(with_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with_fields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with_fields("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400);
}

TEST(HttpFraming, S2RefusesTwoDifferingLengths) {
  EXPECT_EQ(with_fields("Content-Length: 5\r\nContent-Length: 6\r\n"), 400);
}

TEST(HttpFraming, S3RefusesRepeatedEqualLengths) {
  EXPECT_EQ(with_fields("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with_fields("Content-Length: 1, 1\r\n"), 400);
}

TEST(HttpFraming, S4RefusesLengthsThatAreNotPlainDigitsBelow2To63) {
  for (const char* bad : {"+1", "-1", "1_0", "", "0x10", "1 0", "9223372036854775808", "99999999999999999999"}) {
    EXPECT_EQ(with_fields(std::string("Content-Length: ") + bad + "\r\n"), 400) << bad;
  }
  const std::string largest = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n";
  EXPECT_EQ(outcome(largest).framing.length, 9223372036854775807u);
}

TEST(HttpFraming, S5RefusesTransferCodingsOtherThanOneFinalChunked) {
  for (const char* bad :
       {"gzip, chunked", "chunked, chunked", "chunked, gzip", "identity", "xchunked", "", "chunked,"}) {
    EXPECT_EQ(with_fields(std::string("Transfer-Encoding: ") + bad + "\r\n"), 400) << bad;
  }
  EXPECT_EQ(with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with_fields("Transfer-Encoding: Chunked\r\n"), 200);
}

TEST(HttpFraming, S6RefusesTransferEncodingWithHttp10) {
  const std::string text = "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(outcome(text).status, 400);
}

TEST(HttpFraming, S7RefusesASpaceBeforeTheColon) {
  EXPECT_EQ(with_fields("X-A : 1\r\n"), 400);
  EXPECT_EQ(with_fields("Transfer-Encoding : chunked\r\n"), 400);
  EXPECT_EQ(with_fields("X-A\t: 1\r\n"), 400);
}

TEST(HttpFraming, S8RefusesFoldedFields) {
  EXPECT_EQ(with_fields("X-A: 1\r\n 2\r\n"), 400);
  EXPECT_EQ(with_fields("X-A: 1\r\n\tContent-Length: 2\r\n"), 400);
  const std::string first = "GET / HTTP/1.1\r\n Host: h\r\n\r\n";
  EXPECT_EQ(outcome(first).status, 400);
}

TEST(HttpFraming, S9RefusesABareLineFeedAsLineEnd) {
  EXPECT_EQ(outcome("GET / HTTP/1.1\nHost: h\n\n").status, 400);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: h\n\r\n").status, 400);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: h\r\n\n").status, 400);
}

TEST(HttpFraming, S10RefusesControlsInValueAndTarget) {
  using namespace std::string_literals;
  EXPECT_EQ(with_fields("X-A: a\rb\r\n"), 400);
  EXPECT_EQ(with_fields("X-A: a\0b\r\n"s), 400);
  EXPECT_EQ(with_fields("X-A: a\x01\r\n"), 400);
  EXPECT_EQ(with_fields("X-A: a\x7f\r\n"), 400);
  EXPECT_EQ(with_fields("X-A: a\tb\xc3\xa9\r\n"), 200);
  EXPECT_EQ(with_line("GET /a\x01 HTTP/1.1"), 400);
  EXPECT_EQ(with_line("GET /a\0b HTTP/1.1"s), 400);
  EXPECT_EQ(with_line("GET /a\rb HTTP/1.1"), 400);
  EXPECT_EQ(with_line("GET /a\tb HTTP/1.1"), 400);
  EXPECT_EQ(with_line("GET /a b HTTP/1.1"), 400);
}

TEST(HttpFraming, S11RefusesAnythingButOneValidHost) {
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\n\r\n").status, 400);
  EXPECT_EQ(with_fields("Host: h\r\n"), 400);
  for (const char* bad : {"", "a b", "h:99999999", "h:x", "u@h", "a/b", "h,h", "[::1", "a:1:2"}) {
    const std::string text = std::string("GET / HTTP/1.1\r\nHost: ") + bad + "\r\n\r\n";
    EXPECT_EQ(outcome(text).status, 400) << bad;
  }
  for (const char* good : {"h", "h:8080", "[::1]", "[::1]:80", "a-b.example", "1.2.3.4:1"}) {
    const std::string text = std::string("GET / HTTP/1.1\r\nHost: ") + good + "\r\n\r\n";
    EXPECT_EQ(outcome(text).status, 200) << good;
  }
  EXPECT_EQ(outcome("GET / HTTP/1.0\r\n\r\n").status, 200);
}

TEST(HttpFraming, S12HoldsAbsoluteFormAndHostToEachOther) {
  const std::string same = "GET http://h/a?b HTTP/1.1\r\nHost: H\r\n\r\n";
  const auto agreed = outcome(same);
  EXPECT_EQ(agreed.status, 200);
  EXPECT_EQ(agreed.head.target, "/a?b");
  EXPECT_EQ(agreed.head.authority, "h");
  EXPECT_EQ(with_line("GET http://other/a HTTP/1.1"), 400);
  EXPECT_EQ(with_line("GET http://u@h/a HTTP/1.1"), 400);
  EXPECT_EQ(with_line("GET ftp://h/a HTTP/1.1"), 400);
  const std::string bare = "GET https://h HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(outcome(bare).head.target, "/");
}

TEST(HttpFraming, S17TreatsLaterMinorVersionsAs11AndRefusesOtherMajors) {
  EXPECT_EQ(with_line("GET / HTTP/1.2"), 200);
  EXPECT_EQ(with_line("GET / HTTP/1.9"), 200);
  EXPECT_EQ(with_line("GET / HTTP/2.0"), 505);
  EXPECT_EQ(with_line("GET / HTTP/0.9"), 505);
  for (const char* bad : {"GET / HTTP/1", "GET / http/1.1", "GET / HTTP/1.1x", "GET / HTTP/11", "GET /"}) {
    EXPECT_EQ(with_line(bad), 400) << bad;
  }
}

TEST(HttpFraming, S18RefusesMethodsAndNamesThatAreNotTokens) {
  EXPECT_EQ(with_line("G(T / HTTP/1.1"), 400);
  EXPECT_EQ(with_line(" / HTTP/1.1"), 400);
  EXPECT_EQ(with_fields("X A: 1\r\n"), 400);
  EXPECT_EQ(with_fields("X(A): 1\r\n"), 400);
  EXPECT_EQ(with_fields(": 1\r\n"), 400);
  EXPECT_EQ(with_fields("no colon\r\n"), 400);
  EXPECT_EQ(with_line("BREW /pot HTTP/1.1"), 200);
}

TEST(HttpFraming, S19FramesBodiesOfEveryMethodByTheirFields) {
  for (const char* method : {"GET", "HEAD", "DELETE", "POST"}) {
    const std::string with = std::string(method) + " / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    EXPECT_EQ(outcome(with).framing.kind, BodyKind::length) << method;
    const std::string without = std::string(method) + " / HTTP/1.1\r\nHost: h\r\n\r\n";
    EXPECT_EQ(outcome(without).framing.kind, BodyKind::none) << method;
  }
}

TEST(HttpHead, ScansEachByteOnceHoweverSlowlyTheyCome) {
  const std::string text = "GET / HTTP/1.1\r\nHost: h\r\n\r\nrest";
  HeadScanner scanner;
  for (std::size_t i = 1; i < text.size() - 4; ++i) EXPECT_EQ(*scanner.scan(text.substr(0, i)), 0u);
  EXPECT_EQ(*scanner.scan(text), text.size() - 4);
}

TEST(HttpHead, RefusesHeadsTargetsAndFieldListsBeyondTheirLimits) {
  HeadScanner scanner;
  EXPECT_EQ(scanner.scan(std::string(kMaxHead + 1, 'a')).error(), Fault::target_too_long);
  scanner.reset();
  EXPECT_EQ(scanner.scan("GET / HTTP/1.1\r\nX: " + std::string(kMaxHead, 'a')).error(), Fault::head_too_large);
  EXPECT_EQ(with_line("GET /" + std::string(kMaxTarget, 'a') + " HTTP/1.1"), 414);
  std::string fields;
  for (std::size_t i = 0; i < kMaxFields - 1; ++i) fields += "X: 1\r\n";
  EXPECT_EQ(with_fields(fields), 200);
  EXPECT_EQ(with_fields(fields + "X: 1\r\n"), 431);
}

TEST(HttpHead, KnowsWhetherTheClientKeepsTheConnection) {
  const auto keeps = [](const std::string& version, const std::string& fields) {
    const std::string text = "GET / " + version + "\r\nHost: h\r\n" + fields + "\r\n";
    return outcome(text).head.keep_alive();
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: foo, CLOSE\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n"));
}

TEST(HttpHead, RefusesConnectTraceAndUnknownExpectations) {
  EXPECT_EQ(with_line("CONNECT h:443 HTTP/1.1"), 405);
  EXPECT_EQ(with_line("TRACE / HTTP/1.1"), 405);
  EXPECT_EQ(with_fields("Expect: 100-continue\r\n"), 200);
  EXPECT_EQ(with_fields("Expect: 200-maybe\r\n"), 417);
  EXPECT_EQ(with_line("OPTIONS * HTTP/1.1"), 200);
  EXPECT_EQ(with_line("GET * HTTP/1.1"), 400);
}

}  // namespace
}  // namespace fleet::http
