// Section S, by bytes as attackers send them: each attempt is refused and the connection closed, or the application gets
// exactly one request that means the same. framing_test.cpp has the rules one by one, http2_malformed_test.cpp what
// HTTP/2 refuses.
#include <gmock/gmock.h>

#include <algorithm>
#include <mutex>

#include "http2_fixture.hpp"
#include "http/chars.hpp"

namespace fleet::test {
namespace {

using namespace std::string_literals;
using Request = OriginConnection::Request;

const std::string kHidden = "GET /hidden HTTP/1.1\r\nHost: shop.test\r\n\r\n";
const std::string kChunked = "Transfer-Encoding: chunked\r\n";

std::string with_line(const std::string& line, const std::string& fields = "") {
  return line + "\r\nHost: shop.test\r\n" + fields + "\r\n";
}
std::string post(const std::string& fields, const std::string& body = "") {
  return with_line("POST /x HTTP/1.1", fields) + body;
}
std::string get(const std::string& fields) { return with_line("GET /x HTTP/1.1", fields); }
std::string chunks(const std::string& bytes) { return post(kChunked, bytes); }
std::string length(std::size_t n) { return "Content-Length: " + std::to_string(n) + "\r\n"; }

// What becomes of an attempt.
struct Outcome {
  int status = 200;
  std::string line, body;            // of the one request that the application gets
  std::vector<std::string> without;  // that its head has not
};
Outcome refused(int status = 400) { return {status, {}, {}, {}}; }
Outcome one(const std::string& line, const std::string& body = "", std::vector<std::string> without = {}) {
  return {200, line + " HTTP/1.1", body, std::move(without)};
}
Outcome posted(const std::string& body = "", std::vector<std::string> without = {}) {
  return one("POST /x", body, std::move(without));
}

struct Attempt {
  std::string what, bytes;
  Outcome outcome;
};

std::vector<std::string> lines_of(const std::vector<Request>& requests) {
  std::vector<std::string> lines;
  for (const auto& request : requests) lines.push_back(request.line());
  return lines;
}

int fields_named(const Request& request, const std::string& name) {
  int found = 0;
  std::string head = request.head;
  std::transform(head.begin(), head.end(), head.begin(), http::lower);
  for (auto at = head.find("\r\n" + name + ":"); at != std::string::npos; at = head.find("\r\n" + name + ":", at + 1)) ++found;
  return found;
}

class ProxySmuggling : public ProxyHttp2 {
 protected:
  void SetUp() override {
    serve(
        [this](OriginConnection& connection) {
          Request request;
          while (connection.read_request(request)) {
            note(request);
            const auto& line = request.line();
            const bool goes_on = line.starts_with("HEAD ")
                                     ? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                                     : connection.answer(line);
            if (!goes_on) return;
          }
        },
        {"--timeout", "continue-after=20"});
  }
  // Those that come late come to light when all threads of the application have ended.
  void TearDown() override {
    worker.reset();
    origin.reset();
    EXPECT_GE(seen_in_all_, expected_in_all_);
    EXPECT_LE(seen_in_all_, expected_in_all_ + perhaps_seen_);
  }

  void check(const std::vector<Attempt>& attempts) {
    for (const auto& attempt : attempts) check(attempt);
  }
  // The connection's answer is known; so is what the application has to see of it.
  enum class Seen : bool { surely, perhaps };
  void expect_seen(std::vector<std::string> lines, Seen how = Seen::surely) {
    const std::string probed = "GET /probe HTTP/1.1";
    Client probe(slot.http);
    EXPECT_EQ(probe.get("/probe").body, probed);
    expected_in_all_ += 1 + (how == Seen::surely ? lines.size() : 0);
    perhaps_seen_ += how == Seen::perhaps ? lines.size() : 0;
    lines.push_back(probed);
    if (how == Seen::surely) {
      EXPECT_EQ(lines_of(seen()), lines);
    }
    for (const auto& line : lines_of(seen())) EXPECT_EQ(std::ranges::count(lines, line), 1) << line;
  }
  std::vector<Request> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    seen_.clear();
  }

 private:
  // S23: however it came, it goes on in one form.
  void note(const Request& request) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
    ++seen_in_all_;
    EXPECT_EQ(fields_named(request, "host"), 1) << request.head;
    EXPECT_LE(fields_named(request, "content-length") + fields_named(request, "transfer-encoding"), 1) << request.head;
    for (std::size_t at = 0; (at = request.head.find_first_of("\r\n\0"s, at)) != std::string::npos; at += 2) {
      EXPECT_EQ(request.head.substr(at, 2), "\r\n") << request.head;
    }
  }

  void check(const Attempt& attempt) {
    SCOPED_TRACE(attempt.what);
    forget();
    const auto& outcome = attempt.outcome;
    Client client(slot.http);
    client.send(attempt.bytes + (outcome.line.empty() ? kHidden : ""));
    const auto answer = client.read_answer(attempt.bytes.starts_with("HEAD"));
    EXPECT_EQ(answer.status, outcome.status);
    std::vector<std::string> lines;
    if (outcome.line.empty()) {
      EXPECT_EQ(answer.count("Connection: close\r\n"), 1);
      EXPECT_TRUE(client.at_end());
    } else {
      lines.push_back(outcome.line);
      if (answer.count("Connection: close\r\n") == 0) {
        lines.emplace_back("GET /after HTTP/1.1");
        EXPECT_EQ(client.get("/after").body, lines.back()) << "the connection is not in step";
      } else {
        EXPECT_TRUE(client.at_end());
      }
    }
    expect_seen(lines);
    if (outcome.line.empty() || seen().empty()) return;
    EXPECT_EQ(seen().front().body, outcome.body);
    for (const auto& text : outcome.without) EXPECT_FALSE(seen().front().has(text)) << text;
  }

  std::mutex mutex_;
  std::vector<Request> seen_;
  std::size_t seen_in_all_ = 0, expected_in_all_ = 0, perhaps_seen_ = 0;
};

TEST_F(ProxySmuggling, S1_BothKindsOfFraming) {
  const std::string chunked_hello = "5\r\nhello\r\n0\r\n\r\n";
  check({
      {"the coding first", post(kChunked + length(5), chunked_hello), refused()},
      {"a length of 0", post(length(0) + kChunked, chunked_hello), refused()},
      {"the length in small letters", post("content-length: 5\r\n" + kChunked, chunked_hello), refused()},
      {"two lengths and a coding", post(length(5) + kChunked + length(5), chunked_hello), refused()},
      {"a coding that is none", post(length(5) + "Transfer-Encoding: identity\r\n", "hello"), refused()},
      {"a coding of nothing", post(length(5) + "Transfer-Encoding:\r\n", "hello"), refused()},
      {"a length that is wrong besides", post("Content-Length: x\r\n" + kChunked, chunked_hello), refused()},
      {"both in HTTP/1.0", with_line("POST /x HTTP/1.0", length(5) + kChunked) + chunked_hello, refused()},
      {"both, and Connection names the length",
       post("Connection: content-length\r\n" + length(5) + kChunked, chunked_hello),
       refused()},
      {"both, and Connection names the coding",
       post("Connection: transfer-encoding\r\n" + length(5) + kChunked, chunked_hello), refused()},
      {"both for GET", get(length(5) + kChunked) + chunked_hello, refused()},
  });
}

TEST_F(ProxySmuggling, S5_CodingsInDisguise) {
  std::vector<Attempt> attempts;
  for (const auto& value : {"\x0b" "chunked"s, "chunked\x0b"s, "chunked\x0c"s, "\"chunked\""s, "'chunked'"s, ", chunked"s, "chunked, "s,
                            "chunked;q=1"s, "chunked;"s, "chunked chunked"s, "chunk"s, "chunked\0"s, "\xff" "chunked"s,
                            "chunked\xa0"s, "ch unked"s, "ch\tunked"s, "gzip, chunked"s, "chunked, identity"s, "x, chunked"s,
                            "identity"s, "chunked\x85"s, "\xef\xbb\xbf" "chunked"s, "chun%6bed"s}) {
    attempts.push_back({value, post("Transfer-Encoding: " + value + "\r\n", "0\r\n\r\n"), refused()});
  }
  check(attempts);
  check({
      {"two fields", post(kChunked + "Transfer-Encoding: identity\r\n", "0\r\n\r\n"), refused()},
      {"two fields, the other way", post("Transfer-Encoding: cow\r\n" + kChunked, "0\r\n\r\n"), refused()},
      {"two fields of two cases", post(kChunked + "transfer-encoding: chunked\r\n", "0\r\n\r\n"), refused()},
      {"a fold before the value", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), refused()},
      {"a fold with a tab", post("Transfer-Encoding:\r\n\tchunked\r\n", "0\r\n\r\n"), refused()},
      {"a fold behind the value", post("Transfer-Encoding: chunked\r\n , identity\r\n", "0\r\n\r\n"), refused()},
      {"folded into another field", post("X: y\r\n Transfer-Encoding: chunked\r\n" + length(5), "0\r\n\r\n"),
       refused()},
      {"a blank before the name, first of all",
       "POST /x HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: shop.test\r\n\r\n0\r\n\r\n", refused()},
      {"a tab before the colon", post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), refused()},
      {"CR before the colon", post("Transfer-Encoding\r: chunked\r\n", "0\r\n\r\n"), refused()},
      {"NUL before the name", post("\0Transfer-Encoding: chunked\r\n"s, "0\r\n\r\n"), refused()},
      {"CR before the name", post("\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), refused()},
      {"CR within a value", post("X: y\rTransfer-Encoding: chunked\r\n" + length(5), "0\r\n\r\n"), refused()},
      {"LF within a value", post("X: y\nTransfer-Encoding: chunked\r\n" + length(5), "0\r\n\r\n"), refused()},
      {"CR behind the value", post("Transfer-Encoding: chunked\r\r\n", "0\r\n\r\n"), refused()},
      {"a name in quotes", post("\"Transfer-Encoding\": chunked\r\n", "0\r\n\r\n"), refused()},
      {"a tab for a blank", post("Transfer-Encoding:\tchunked\t\r\n", "5\r\nhello\r\n0\r\n\r\n"), posted("hello")},
      {"no blank", post("Transfer-Encoding:chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), posted("hello")},
      {"upper case", post("TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"), posted("hello")},
      {"an underscore", post("Transfer_Encoding: chunked\r\n" + length(5), "0\r\n\r\n"),
       posted("0\r\n\r\n", {"Transfer_"})},
      {"another name", post("X-Transfer-Encoding: chunked\r\n" + length(5), "0\r\n\r\n"), posted("0\r\n\r\n")},
      {"the coding of the content", post("Content-Encoding: chunked\r\n" + length(5), "0\r\n\r\n"),
       posted("0\r\n\r\n")},
      {"TE", post("TE: chunked\r\n" + length(5), "0\r\n\r\n"), posted("0\r\n\r\n", {"\r\nTE:"})},
      {"HTTP/1.0", with_line("POST /x HTTP/1.0", kChunked) + "0\r\n\r\n", refused()},
  });
}

TEST_F(ProxySmuggling, S2_LengthsInDisguise) {
  std::vector<Attempt> attempts;
  for (const auto& value : {"5, 6"s, "5,5"s, "5,"s, ",5"s, "5;"s, "+5"s, "-5"s, "5.0"s, "5e0"s, "0x5"s, "5_0"s, "0 5"s, "5 0"s,
                            ""s, " "s, "\x0b" "5"s, "5\x0b"s, "5\0"s, "\"5\""s, "\xd9\xa5"s, "9223372036854775808"s,
                            "18446744073709551621"s, "99999999999999999999999999"s, "five"s}) {
    attempts.push_back({value, post("Content-Length: " + value + "\r\n", "hello"), refused()});
  }
  check(attempts);
  check({
      {"two that differ", post(length(5) + length(6), "hello"), refused()},
      {"two in two cases", post("CONTENT-LENGTH: 5\r\ncontent-length: 5\r\n", "hello"), refused()},
      {"one behind others", post(length(5) + "X: y\r\n" + length(0), "hello"), refused()},
      {"a blank before the colon", post("Content-Length : 5\r\n", "hello"), refused()},
      {"NUL before the colon", post("Content-Length\0: 5\r\n"s, "hello"), refused()},
      {"a fold", post("Content-Length:\r\n 5\r\n", "hello"), refused()},
      {"a fold behind it", post("Content-Length: 5\r\n 0\r\n", "hello"), refused()},
      {"a tab for a blank", post("Content-Length:\t5\t\r\n", "hello"), posted("hello", {"\t"})},
      {"zeros before it", post("Content-Length: 005\r\n", "hello"), posted("hello", {"005"})},
      {"an underscore", post("Content_Length: 0\r\n" + length(5), "hello"), posted("hello", {"Content_"})},
      {"Connection names it", post("Connection: content-length\r\n" + length(kHidden.size()), kHidden),
       posted(kHidden)},
      {"Connection names it, and to close",
       post("Connection: close, Content-Length\r\n" + length(kHidden.size()), kHidden),
       posted(kHidden)},
      {"Trailer names it", post("Trailer: Content-Length\r\n" + length(kHidden.size()), kHidden), posted(kHidden)},
  });
}

TEST_F(ProxySmuggling, S9_LineEndsAndControls) {
  check({
      {"LF behind a field", "GET /x HTTP/1.1\r\nHost: shop.test\nX: y\r\n\r\n", refused()},
      {"LF for the blank line", "GET /x HTTP/1.1\r\nHost: shop.test\r\n\n", refused()},
      {"LF CR LF", "GET /x HTTP/1.1\r\nHost: shop.test\n\r\n", refused()},
      {"CR alone for line ends", "GET /x HTTP/1.1\rHost: shop.test\r\r", refused()},
      {"CR CR LF", "GET /x HTTP/1.1\r\r\nHost: shop.test\r\n\r\n", refused()},
      {"CR CR LF for the blank line", "GET /x HTTP/1.1\r\nHost: shop.test\r\n\r\r\n\r\n", refused()},
      {"LF before all", "\n" + get(""), refused()},
      {"CR before all", "\r" + get(""), refused()},
      {"a blank before all", " " + get(""), refused()},
      {"NUL before all", "\0"s + get(""), refused()},
      {"CR LF before all, which is allowed", "\r\n\r\n" + get(""), one("GET /x")},
      {"NUL in a name", get("X\0Y: z\r\n"s), refused()},
      {"NUL in a value", get("X: y\0z\r\n"s), refused()},
      {"NUL behind the version", with_line("GET /x HTTP/1.1\0"s), refused()},
      {"a vertical tab in a name", get("X\x0bY: z\r\n"), refused()},
      {"a name beyond ASCII", get("X\xc3\xa4: z\r\n"), refused()},
      {"a line of a blank", get(" \r\n"), refused()},
      {"a line without a colon", get("X\r\n"), refused()},
      {"no name", get(": y\r\n"), refused()},
      {"a fold of the host", "GET /x HTTP/1.1\r\nHost:\r\n shop.test\r\n\r\n", refused()},
      {"a head of many empty values", get("X:\r\nY: \t \r\nZ:\r\n"), one("GET /x")},
      {"a line separator beyond ASCII, which is none", get("X: y\xc2\x85Transfer-Encoding: chunked\r\n"),
       one("GET /x")},
  });
}

TEST_F(ProxySmuggling, S13_Chunks) {
  std::vector<Attempt> attempts;
  for (const auto& size : {"+5"s, "-5"s, "0x5"s, " 5"s, "5 "s, "5\t"s, "5,"s, "5h"s, "g"s, ""s, ";x"s, "5 ;x"s, "\0" "5"s, "5\0"s,
                           "00000000000000005"s, "FFFFFFFFFFFFFFFF5"s, "8000000000000000"s, "ffffffffffffffff"s, "5\r"s,
                           "5;x\ny"s, "5;x\ry"s, "5;\0"s, "5;" + std::string(9000, 'x')}) {
    attempts.push_back({"size " + size.substr(0, 20), chunks(size + "\r\nhello\r\n0\r\n\r\n"), refused()});
  }
  check(attempts);
  check({
      {"LF behind the size", chunks("5\nhello\r\n0\r\n\r\n"), refused()},
      {"LF behind an extension", chunks("5;x\nhello\r\n0\r\n\r\n"), refused()},
      {"CR behind the size", chunks("5\rhello\r\n0\r\n\r\n"), refused()},
      {"LF behind the data", chunks("5\r\nhello\n0\r\n\r\n"), refused()},
      {"CR behind the data", chunks("5\r\nhello\r0\r\n\r\n"), refused()},
      {"nothing behind the data", chunks("5\r\nhello0\r\n\r\n"), refused()},
      {"two other bytes behind the data", chunks("5\r\nhelloXX0\r\n\r\n"), refused()},
      {"more data than the size", chunks("4\r\nhello\r\n0\r\n\r\n"), refused()},
      {"a blank line before the size", chunks("\r\n5\r\nhello\r\n0\r\n\r\n"), refused()},
      {"LF for the last line", chunks("5\r\nhello\r\n0\r\n\n"), refused()},
      {"LF behind the last size", chunks("5\r\nhello\r\n0\n\r\n"), refused()},
      {"zeros before the size", chunks("0005\r\nhello\r\n000\r\n\r\n"), posted("hello")},
      {"either case", chunks("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), posted("01234567890123456789")},
      {"extensions", chunks("5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"), posted("hello")},
      {"a request in an extension", chunks("5;GET /hidden HTTP/1.1\r\nhello\r\n0\r\n\r\n"), posted("hello")},
      {"a quote that the line ends", chunks("5;a=\"\r\nhello\r\n0\r\n\r\n"), posted("hello")},
      {"a request in the data", chunks("2b\r\n" + kHidden + "xy\r\n0\r\n\r\n"), posted(kHidden + "xy")},
      {"the end of chunks in the data", chunks("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), posted("0\r\n\r\n")},
  });
}

TEST_F(ProxySmuggling, P6_Trailers) {
  const auto trailers = [](const std::string& lines) { return chunks("5\r\nhello\r\n0\r\n" + lines); };
  check({
      {"a length", trailers("Content-Length: 50\r\n\r\n"), posted("hello")},
      {"a coding", trailers("Transfer-Encoding: chunked\r\n\r\n"), posted("hello")},
      {"a host", trailers("Host: evil.test\r\n\r\n"), posted("hello")},
      {"LF", trailers("X: y\nContent-Length: 5\r\n\r\n"), refused()},
      {"CR", trailers("X: y\rZ: w\r\n\r\n"), refused()},
      {"NUL", trailers("X: y\0\r\n\r\n"s), refused()},
      {"a fold", trailers("X: y\r\n z\r\n\r\n"), refused()},
      {"a blank before the colon", trailers("X : y\r\n\r\n"), refused()},
      {"no colon", trailers("X\r\n\r\n"), refused()},
      {"a request for a trailer", trailers(kHidden), refused()},
      {"a request as the value of one", trailers("X: GET /hidden HTTP/1.1\r\nHost: shop.test\r\n\r\n"),
       posted("hello")},
      {"more than is kept", trailers("X: " + std::string(9000, 'y') + "\r\n\r\n"), refused()},
  });
}

TEST_F(ProxySmuggling, S12_TargetsAndVersions) {
  check({
      {"absolute form", with_line("GET http://shop.test/x HTTP/1.1"), one("GET /x")},
      {"absolute form in upper case", with_line("GET HTTP://SHOP.TEST/x HTTP/1.1"), one("GET /x")},
      {"absolute form of another", with_line("GET http://evil.test/x HTTP/1.1"), refused()},
      {"absolute form with a port", with_line("GET http://shop.test:80/x HTTP/1.1"), refused()},
      {"absolute form with a user", with_line("GET http://shop.test@evil.test/x HTTP/1.1"), refused()},
      {"absolute form of nobody", with_line("GET http:///x HTTP/1.1"), refused()},
      {"absolute form without a path", with_line("GET http://shop.test?x HTTP/1.1"), refused()},
      {"absolute form with a backslash", with_line("GET http://shop.test\\@evil.test/x HTTP/1.1"), refused()},
      {"a scheme of its own", with_line("GET file:///etc/passwd HTTP/1.1"), refused()},
      {"authority form", with_line("GET shop.test:80 HTTP/1.1"), refused()},
      {"CONNECT", with_line("CONNECT shop.test:80 HTTP/1.1"), refused(405)},
      {"two slashes, which are a path", with_line("GET //evil.test/x HTTP/1.1"), one("GET //evil.test/x")},
      {"a URL within a path", with_line("GET /http://evil.test/ HTTP/1.1"), one("GET /http://evil.test/")},
      {"an encoded line end", with_line("GET /x%0d%0aX:y HTTP/1.1"), one("GET /x%0d%0aX:y")},
      {"two blanks", with_line("GET  /x HTTP/1.1"), refused()},
      {"two blanks before the version", with_line("GET /x  HTTP/1.1"), refused()},
      {"a blank behind the version", with_line("GET /x HTTP/1.1 "), refused()},
      {"tabs", with_line("GET\t/x\tHTTP/1.1"), refused()},
      {"a vertical tab", with_line("GET /x\x0bHTTP/1.1"), refused()},
      {"a second version", with_line("GET /x HTTP/1.1 HTTP/1.1"), refused()},
      {"a fragment", with_line("GET /x#y HTTP/1.1"), refused()},
      {"a path beyond ASCII", with_line("GET /\xc3\xa4 HTTP/1.1"), refused()},
      {"no slash", with_line("GET x HTTP/1.1"), refused()},
      {"a query alone", with_line("GET ?x HTTP/1.1"), refused()},
      {"HTTP/0.9", "GET /x\r\n", refused()},
      {"HTTP/0.9 by number", with_line("GET /x HTTP/0.9"), refused(505)},
      {"HTTP/2 by number", with_line("GET /x HTTP/2.0"), refused(505)},
      {"HTTP/1.10", with_line("GET /x HTTP/1.10"), refused()},
      {"HTTP/01.1", with_line("GET /x HTTP/01.1"), refused()},
      {"HTTP/1.1.1", with_line("GET /x HTTP/1.1.1"), refused()},
      {"HTTP/1,1", with_line("GET /x HTTP/1,1"), refused()},
      {"HTTP/1", with_line("GET /x HTTP/1"), refused()},
      {"http/1.1", with_line("GET /x http/1.1"), refused()},
      {"ICY/1.1", with_line("GET /x ICY/1.1"), refused()},
      {"HTTP/1.9, which is 1.1", with_line("GET /x HTTP/1.9"), one("GET /x")},
      {"a path of 20 KB", with_line("GET /" + std::string(20000, 'x') + " HTTP/1.1"), refused(414)},
      {"a line of 40 KB", with_line("GET /" + std::string(40000, 'x') + " HTTP/1.1"), refused(414)},
  });
}

TEST_F(ProxySmuggling, S18_Methods) {
  check({
      {"small letters, which are another method", with_line("get /x HTTP/1.1"), one("get /x")},
      {"letters that a method may have", with_line("G!#$%&'*+-.^_`|~9 /x HTTP/1.1"), one("G!#$%&'*+-.^_`|~9 /x")},
      {"a brace", with_line("GET{} /x HTTP/1.1"), refused()},
      {"a colon", with_line("GET: /x HTTP/1.1"), refused()},
      {"NUL", with_line("G\0T /x HTTP/1.1"s), refused()},
      {"beyond ASCII", with_line("G\xc3\x8bT /x HTTP/1.1"), refused()},
      {"a method that says how long it is", with_line("HTTP/1.1 200 OK"), refused()},
      {"a method of 40 KB", with_line(std::string(40000, 'G') + " /x HTTP/1.1"), refused(414)},
      {"TRACE with a body", with_line("TRACE /x HTTP/1.1", length(kHidden.size())), refused(405)},
      {"PRI", "PRI * HTTP/1.1\r\nHost: shop.test\r\n\r\n", refused()},
  });
}

TEST_F(ProxySmuggling, S11_Hosts) {
  std::vector<Attempt> attempts;
  for (const auto& host : {"user@shop.test"s, "shop.test@evil.test"s, "shop.test/x"s, "shop.test:80:80"s, "shop.test, evil.test"s,
                           "shop.test evil.test"s, "shop.test\tevil.test"s, "shop.test#"s, "shop.test?x"s, "shop.test\\x"s,
                           "shop.test:80x"s, "shop.test:-1"s, "shop.test:999999"s, "[::1"s, "[shop.test]"s, ":80"s, "http://shop.test"s,
                           "shop%2etest"s, "shop.test\0"s, "sh\xc3\xb6p.test"s, ""s}) {
    attempts.push_back({"host " + host, "GET /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n", refused()});
  }
  check(attempts);
  check({
      {"two equal ones", with_line("GET /x HTTP/1.1", "Host: shop.test\r\n"), refused()},
      {"two in two cases", with_line("GET /x HTTP/1.1", "hOST: evil.test\r\n"), refused()},
      {"two, and the target tells which", with_line("GET http://shop.test/x HTTP/1.1", "Host: evil.test\r\n"),
       refused()},
      {"a blank before the colon", "GET /x HTTP/1.1\r\nHost : shop.test\r\n\r\n", refused()},
      {"a blank before the name", "GET /x HTTP/1.1\r\n Host: shop.test\r\n\r\n", refused()},
      {"none", "GET /x HTTP/1.1\r\nX: y\r\n\r\n", refused()},
      {"none but in the target", "GET http://shop.test/x HTTP/1.1\r\n\r\n", refused()},
      {"a port", "GET /x HTTP/1.1\r\nHost: shop.test:8080\r\n\r\n", one("GET /x")},
      {"Connection names it", get("Connection: close, host\r\n"), one("GET /x")},
      {"others that some believe", get("X-Host: evil.test\r\nX_Host: evil.test\r\nX-Forwarded-Host: evil.test\r\n"
                                       "Forwarded: host=evil.test\r\n"),
       one("GET /x", "", {"X_Host", "X-Forwarded-Host: evil.test", "Forwarded: host=evil"})},
      {"Connection names what the proxy says", get("Connection: x-forwarded-for, forwarded, x-real-ip\r\n"),
       one("GET /x")},
  });
}

TEST_F(ProxySmuggling, S19_RequestsHiddenInBodies) {
  const auto hiding = [](const std::string& line, const std::string& fields = "") {
    return with_line(line, fields + length(kHidden.size())) + kHidden;
  };
  check({
      {"POST", hiding("POST /x HTTP/1.1"), posted(kHidden)},
      {"GET", hiding("GET /x HTTP/1.1"), one("GET /x", kHidden)},
      {"HEAD", hiding("HEAD /x HTTP/1.1"), one("HEAD /x", kHidden)},
      {"DELETE", hiding("DELETE /x HTTP/1.1"), one("DELETE /x", kHidden)},
      {"OPTIONS *", hiding("OPTIONS * HTTP/1.1"), one("OPTIONS *", kHidden)},
      {"a method of its own", hiding("LOCK /x HTTP/1.1"), one("LOCK /x", kHidden)},
      {"HTTP/1.0", hiding("POST /x HTTP/1.0"), posted(kHidden)},
      {"a form that looks like it is chunked", hiding("POST /x HTTP/1.1", "Content-Type: chunked\r\n"),
       posted(kHidden)},
      {"an upgrade, which a body forbids", hiding("GET /x HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
       one("GET /x", kHidden, {"Upgrade"})},
      {"an upgrade that Connection does not name", hiding("GET /x HTTP/1.1", "Upgrade: websocket\r\n"),
       one("GET /x", kHidden, {"Upgrade"})},
      {"an upgrade to h2c",
       hiding("GET /x HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
       one("GET /x", kHidden, {"Upgrade", "HTTP2-Settings"})},
      {"Expect", hiding("POST /x HTTP/1.1", "Expect: 100-continue\r\n"), posted(kHidden)},
      {"Expect in upper case", hiding("POST /x HTTP/1.1", "EXPECT: 100-CONTINUE\r\n"), posted(kHidden)},
      {"Expect twice", hiding("POST /x HTTP/1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\n"), posted(kHidden)},
      {"Expect in HTTP/1.0", hiding("POST /x HTTP/1.0", "Expect: 100-continue\r\n"), posted(kHidden, {"Expect"})},
      {"Expect without a body", get("Expect: 100-continue\r\n"), one("GET /x")},
      {"Expect with another", hiding("POST /x HTTP/1.1", "Expect: 100-continue, x\r\n"), refused(417)},
      {"Expect with one before", hiding("POST /x HTTP/1.1", "Expect: y 100-continue\r\n"), refused(417)},
      {"Expect of nothing", hiding("POST /x HTTP/1.1", "Expect:\r\n"), refused(417)},
      {"Expect folded", hiding("POST /x HTTP/1.1", "Expect:\r\n 100-continue\r\n"), refused()},
      {"a way to say another method", hiding("POST /x HTTP/1.1", "X-HTTP-Method-Override: GET\r\n"), posted(kHidden)},
      {"a range", hiding("POST /x HTTP/1.1", "Range: bytes=0-0\r\nContent-Range: bytes 0-0/1\r\n"), posted(kHidden)},
  });
}

// P7: what follows a request to upgrade is tunnelled once the application has agreed, and no sooner.
TEST_F(ProxySmuggling, P7_ARequestBehindAnUpgradeThatIsNotGrantedIsOneOfItsOwn) {
  forget();
  Client client(slot.http);
  client.send(get("Connection: Upgrade\r\nUpgrade: websocket\r\n") + kHidden);
  EXPECT_EQ(client.read_answer().body, "GET /x HTTP/1.1");
  EXPECT_EQ(client.read_answer().body, "GET /hidden HTTP/1.1") << "it was decided on as any other";
  expect_seen({"GET /x HTTP/1.1", "GET /hidden HTTP/1.1"});
  EXPECT_EQ(fields_named(seen()[1], "x-forwarded-for"), 1);
}

struct Http2Attempt {
  const char* what;
  Fields fields;
  std::string body;  // "-": none
  Outcome outcome;   // refused: reset
};

TEST_F(ProxySmuggling, S24_FromHttp2) {
  const auto asking = [](const std::string& path, Fields more = {}) { return Http2Client::post(path, std::move(more)); };
  const auto with_authority = [](const std::string& authority, Fields more = {}) {
    return Http2Client::post("/x", std::move(more), authority);
  };
  for (const auto& attempt : std::vector<Http2Attempt>{
           {"a request in DATA", asking("/x"), kHidden, posted(kHidden)},
           {"the end of chunks and a request in DATA",
            asking("/x"), "0\r\n\r\n" + kHidden, posted("0\r\n\r\n" + kHidden)},
           {"the same, and its length", asking("/x", {{"content-length", "46"}}), "0\r\n\r\n" + kHidden,
            posted("0\r\n\r\n" + kHidden)},
           {"a length below DATA", asking("/x", {{"content-length", "1"}}), kHidden, refused()},
           {"a length above DATA", asking("/x", {{"content-length", "100"}}), kHidden, refused()},
           {"a length with a sign", asking("/x", {{"content-length", "+40"}}), kHidden, refused()},
           {"a length in other digits", asking("/x", {{"content-length", "\xd9\xa5"}}), "hello", refused()},
           {"a length with an underscore",
            asking("/x", {{"content_length", "0"}}), kHidden, posted(kHidden, {"content_"})},
           {"a coding", asking("/x", {{"transfer-encoding", "chunked"}}), "0\r\n\r\n" + kHidden, refused()},
           {"a coding in disguise", asking("/x", {{"transfer_encoding", "chunked"}}), "0\r\n\r\n" + kHidden,
            posted("0\r\n\r\n" + kHidden, {"transfer_"})},
           {"a coding behind a line end in a value",
            asking("/x", {{"x", "y\r\ntransfer-encoding: chunked"}}), kHidden, refused()},
           {"one in a name", asking("/x", {{"x: y\r\ntransfer-encoding", "chunked"}}), kHidden, refused()},
           {"a request in a cookie", asking("/x", {{"cookie", "a"}, {"cookie", "b\r\n\r\nGET /hidden HTTP/1.1"}}), "-",
            refused()},
           {"a version in the path", asking("/x HTTP/1.1\r\nHost: evil.test\r\n\r\nGET /hidden"), "-", refused()},
           {"LF in the path", asking("/x\nX: y"), "-", refused()},
           {"a tab in the path", asking("/x\ty"), "-", refused()},
           {"NUL in the path", asking("/x\0y"s), "-", refused()},
           {"an encoded line end in the path", asking("/x%0d%0a"), "-", one("POST /x%0d%0a")},
           {"absolute form in the path", asking("http://shop.test/x"), "-", refused()},
           {"an authority with a path", with_authority("shop.test/x"), "-", refused()},
           {"an authority with a query", with_authority("shop.test?x"), "-", refused()},
           {"an authority with a request", with_authority("shop.test\r\n\r\nGET /hidden HTTP/1.1"), "-", refused()},
           {"an authority of two", with_authority("shop.test, evil.test"), "-", refused()},
           {"an authority without a port, a host with one",
            with_authority("shop.test", {{"host", "shop.test:443"}}), "-", refused()},
           {"Expect", asking("/x", {{"expect", "100-continue"}}), kHidden, posted(kHidden)},
           {"Forwarded and the like", asking("/x", {{"x-forwarded-host", "evil.test"}, {"x-real-ip", "6.6.6.6"}}), "-",
            posted("", {"evil.test", "6.6.6.6"})},
       }) {
    SCOPED_TRACE(attempt.what);
    forget();
    Http2Client client(slot.https);
    const auto stream = client.begin(attempt.fields, attempt.body == "-");
    if (attempt.body != "-") client.data(stream, attempt.body, true);
    const auto& answer = client.answer(stream);
    const bool refuses = attempt.outcome.line.empty();
    EXPECT_EQ(answer.status, refuses ? 0 : 200);
    EXPECT_EQ(answer.reset.value_or(0), static_cast<std::uint32_t>(refuses ? NGHTTP2_PROTOCOL_ERROR : 0));
    std::vector<std::string> lines;
    if (!refuses) lines.push_back(attempt.outcome.line);
    expect_seen(lines);
    if (refuses || seen().empty()) continue;
    EXPECT_EQ(seen().front().body, attempt.outcome.body);
    for (const auto& text : attempt.outcome.without) EXPECT_FALSE(seen().front().has(text)) << text;
  }
}

// The request may have gone on before DATA shows that it is malformed.
TEST_F(ProxySmuggling, S24_DataBehindALengthOf0GoesNowhere) {
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/x", {{"content-length", "0"}}), false);
  client.data(stream, kHidden, true);
  // The request is whole before its end is seen: it may have gone to the application when the data ends the stream.
  const bool answered = client.answer(stream).status != 0;
  expect_seen({"POST /x HTTP/1.1"}, answered ? Seen::surely : Seen::perhaps);
  for (const auto& request : seen()) EXPECT_EQ(request.body, "");
}

TEST_F(ProxySmuggling, S24_TrailersFromHttp2FrameNothing) {
  Http2Client client(slot.https);
  const auto stream = client.begin(Http2Client::post("/x"), false);
  client.data(stream, "hello");
  client.trailers(stream, {{"content-length", "5"}, {"host", "evil.test"}, {"x_sum", "1"}, {"x-sum", "2"}});
  EXPECT_EQ(client.answer(stream).status, 200);
  expect_seen({"POST /x HTTP/1.1"});
  EXPECT_EQ(seen().front().trailers, "x-sum: 2\r\n");
}

TEST_F(ProxySmuggling, P7_BytesBehindAnExtendedConnectThatIsNotGrantedGoNowhere) {
  Http2Client client(slot.https);
  auto fields = Http2Client::get("/x");
  fields.front().second = "CONNECT";
  fields.emplace_back(":protocol", "websocket");
  const auto stream = client.begin(fields, false);
  client.data(stream, kHidden, true);
  client.answer(stream);
  expect_seen({"GET /x HTTP/1.1"});
  EXPECT_EQ(seen().front().body, "");
}

}  // namespace
}  // namespace fleet::test
