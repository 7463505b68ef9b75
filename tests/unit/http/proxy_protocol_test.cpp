#include "http/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fleet::http {
namespace {

using std::string;
using std::string_view;
using namespace std::string_literals;

const string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

string v2(char version_command, char family, const string& rest) {
  return kSignature + version_command + family + static_cast<char>(rest.size() >> 8) + static_cast<char>(rest.size()) +
         rest;
}
const string kV4Pair = "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb"s;
const string kV6Pair = "\x20\x01\x0d\xb8"s + string(11, '\0') + "\x01" + string(16, '\1') + "\xdc\x04\x01\xbb";

// "192.0.2.1", "-" when it tells nothing, "more", or what is wrong.
string read(string_view bytes) {
  ProxyHeader header;
  const auto size = parse_proxy_header(bytes, header);
  if (!size) return string(size.error());
  if (*size == 0) return "more";
  EXPECT_LE(*size, bytes.size());
  return header.tells ? to_string(header.client) : "-";
}

std::vector<string> good_headers() {
  return {
      "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
      "PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n",
      "PROXY TCP6 ffff:f0ff:ffff:ffff:ffff:ffff:ffff:ffff ffff:f0ff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
      "PROXY UNKNOWN\r\n",
      "PROXY UNKNOWN ffff:f0ff:ffff:ffff:ffff:ffff:ffff:ffff ffff:f0ff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
      v2(0x21, 0x11, kV4Pair),
      v2(0x21, 0x21, kV6Pair),
      v2(0x21, 0x11, kV4Pair + "\x20\x00\x05hello"s),
      v2(0x20, 0x00, ""),
      v2(0x20, 0x11, kV4Pair),
      v2(0x20, 0x00, "abc"),
      v2(0x21, 0x00, ""),
      v2(0x21, 0x00, string(100, 'x')),
      v2(0x21, 0x31, string(216, '/'))};
}

TEST(ProxyProtocol, P9_ReadsVersion1) {
  EXPECT_EQ(read("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"), "192.0.2.1");
  EXPECT_EQ(read("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"), "2001:db8::1");
  EXPECT_EQ(read("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "192.0.2.1");
  EXPECT_EQ(read("PROXY UNKNOWN\r\n"), "-");
  EXPECT_EQ(read("PROXY UNKNOWN anything at all\r\n"), "-");
}

TEST(ProxyProtocol, P9_ReadsVersion2) {
  EXPECT_EQ(read(v2(0x21, 0x11, kV4Pair)), "192.0.2.1");
  EXPECT_EQ(read(v2(0x21, 0x21, kV6Pair)), "2001:db8::1");
}

TEST(ProxyProtocol, P9_LocalAndUnspecTellNothing) {
  EXPECT_EQ(read(v2(0x20, 0x00, "")), "-");
  EXPECT_EQ(read(v2(0x20, 0x11, kV4Pair)), "-");
  EXPECT_EQ(read(v2(0x20, 0x12, "")), "-");  // a LOCAL's addresses are to be discarded, whatever they are
  EXPECT_EQ(read(v2(0x21, 0x00, "skipped")), "-");
  EXPECT_EQ(read(v2(0x21, 0x31, string(216, '/'))), "-");
}

TEST(ProxyProtocol, P9_SkipsTlvsUpToTheLimit) {
  ProxyHeader header;
  const auto with_tlvs = v2(0x21, 0x11, kV4Pair + string(kMaxProxyHeaderV2 - 16 - 12, '\4'));
  EXPECT_EQ(parse_proxy_header(with_tlvs + "GET /", header), kMaxProxyHeaderV2);
  EXPECT_EQ(to_string(header.client), "192.0.2.1");
  EXPECT_EQ(read(v2(0x21, 0x11, kV4Pair + string(kMaxProxyHeaderV2 - 16 - 11, '\4'))), "version 2: too long");
  EXPECT_EQ(read(v2(0x21, 0x11, "").substr(0, 14) + "\xff\xff"), "version 2: too long");
}

TEST(ProxyProtocol, P9_EveryTruncationAsksForMoreAndWhatFollowsIsNotTouched) {
  for (const auto& whole : good_headers()) {
    for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_EQ(read(whole.substr(0, size)), "more") << whole;
    ProxyHeader header;
    for (const string after : {"", "\r\n", "GET / HTTP/1.1\r\n", "\x16\x03\x01", "PROXY "}) {
      EXPECT_EQ(parse_proxy_header(whole + after, header), whole.size()) << whole;
    }
  }
}

TEST(ProxyProtocol, P9_RefusesWhatIsNoHeaderAtItsFirstByte) {
  for (const string bytes :
       {"G", "GET / HTTP/1.1\r\n", "PO", "PROXX", "proxy ", "\x16\x03\x01", "\n", " ", "PROXY\t"}) {
    EXPECT_EQ(read(bytes), "no PROXY header") << bytes;
  }
  EXPECT_EQ(read("\r\n\r\nG"), "no PROXY header");
}

TEST(ProxyProtocol, P9_RefusesMalformedVersion1) {
  for (const string line : {"TCP4",
                            "TCP4 ",
                            "",
                            " TCP4 1.1.1.1 2.2.2.2 1 2",
                            "TCP4 1.1.1.1 2.2.2.2 1",
                            "TCP4 1.1.1.1 2.2.2.2 1 ",
                            "TCP4 1.1.1.1 2.2.2.2 1 2 ",
                            "TCP4 1.1.1.1 2.2.2.2 1 2 3",
                            "TCP4  1.1.1.1 2.2.2.2 1 2",
                            "TCP4 1.1.1.1 2.2.2.2 01 2",
                            "TCP4 1.1.1.1 2.2.2.2 1 65536",
                            "TCP4 1.1.1.1 2.2.2.2 -1 2",
                            "TCP4 1.1.1.1 2.2.2.2 +1 2",
                            "TCP4 1.1.1.1 2.2.2.2 x 2",
                            "TCP4 1.1.1 2.2.2.2 1 2",
                            "TCP4 01.1.1.1 2.2.2.2 1 2",
                            "TCP4 ::1 ::2 1 2",
                            "TCP4 1.1.1.1 ::2 1 2",
                            "TCP6 1.1.1.1 2.2.2.2 1 2",
                            "TCP6 ::1 2.2.2.2 1 2",
                            "TCP6 [::1] [::2] 1 2",
                            "TCP6 :::1 ::2 1 2",
                            "UDP4 1.1.1.1 2.2.2.2 1 2",
                            "tcp4 1.1.1.1 2.2.2.2 1 2",
                            "UNKNOWNX",
                            "TCP4 host.test 2.2.2.2 1 2"}) {
    EXPECT_EQ(read("PROXY " + line + "\r\n"), "version 1: malformed") << line;
  }
  EXPECT_EQ(read("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"), "a control character");
  EXPECT_EQ(read("PROXY TCP4\t1.1.1.1"), "a control character");
  EXPECT_EQ(read("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\0"s), "a control character");
  EXPECT_EQ(read("PROXY UNKNOWN\rX"), "version 1: a bare carriage return");
}

TEST(ProxyProtocol, P9_Version1HasAtMost107Bytes) {
  const auto of_size = [](std::size_t size) { return "PROXY UNKNOWN " + string(size - 16, 'x') + "\r\n"; };
  EXPECT_EQ(read(of_size(107)), "-");
  EXPECT_EQ(read(of_size(108)), "version 1: too long");
  EXPECT_EQ(read(of_size(105).substr(0, 103) + "xx"), "more");
  EXPECT_EQ(read("PROXY UNKNOWN " + string(92, 'x')), "version 1: too long");
}

TEST(ProxyProtocol, P9_RefusesMalformedVersion2) {
  EXPECT_EQ(read(v2(0x11, 0x11, kV4Pair)), "version 2: another version");
  EXPECT_EQ(read(v2(0x31, 0x11, kV4Pair)), "version 2: another version");
  EXPECT_EQ(read(v2(0x22, 0x11, kV4Pair)), "version 2: unknown command");
  EXPECT_EQ(read(v2(0x21, 0x41, kV4Pair)), "version 2: unknown address family");
  EXPECT_EQ(read(v2(0x21, 0x13, kV4Pair)), "version 2: unknown address family");
  EXPECT_EQ(read(v2(0x21, 0x12, kV4Pair)), "version 2: not a stream");
  EXPECT_EQ(read(v2(0x21, 0x10, kV4Pair)), "version 2: not a stream");
  EXPECT_EQ(read(v2(0x21, 0x11, kV4Pair.substr(1))), "version 2: too short for its addresses");
  EXPECT_EQ(read(v2(0x21, 0x21, kV6Pair.substr(1))), "version 2: too short for its addresses");
}

TEST(ProxyProtocol, P9_SurvivesMutations) {
  std::mt19937 random(11);
  const auto seeds = good_headers();
  for (int round = 0; round < 20000; ++round) {
    auto bytes = seeds[random() % seeds.size()];
    for (auto edits = 1 + random() % 4; edits > 0 && !bytes.empty(); --edits) {
      const auto at = random() % bytes.size();
      switch (random() % 3) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.erase(at, 1 + random() % 8); break;
        default: bytes.insert(at, 1 + random() % 8, static_cast<char>(random()));
      }
    }
    const std::vector<char> exact(bytes.begin(), bytes.end());  // so that the sanitizer sees a read beyond the end
    const string_view given(exact.data(), exact.size());
    ProxyHeader header;
    const auto size = parse_proxy_header(given, header);
    if (!size || *size == 0) continue;
    ASSERT_LE(*size, given.size());
    ASSERT_LE(*size, kMaxProxyHeaderV2);
    ProxyHeader again;  // complete means complete: the same without what follows, and not before
    EXPECT_EQ(parse_proxy_header(given.substr(0, *size), again), *size);
    EXPECT_EQ(again.client, header.client);
    EXPECT_NE(parse_proxy_header(given.substr(0, *size - 1), again), *size - 1);
  }
}

}  // namespace
}  // namespace fleet::http
