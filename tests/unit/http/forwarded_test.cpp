// Who asked: PROXY-RULES P8 behind trusted proxies, and P3.
#include "http/forwarded.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "http/forward.hpp"
#include "http/head.hpp"

namespace fleet::http {
namespace {

using std::string;
using std::string_view;

const Peer kBalancer{"10.0.0.1", IpAddress::v4(10, 0, 0, 1), false};
const auto kTrusted = AddressSet::of({"10.0.0.0/8", "2001:db8:ffff::/48"});

struct Request {
  explicit Request(const string& fields) : text("GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n") {
    EXPECT_TRUE(parse_request(text, head)) << fields;
  }
  string text;
  RequestHead head;
};

// "CLIENT SCHEME HOST PORT: HOP HOP ..."
string read(const string& fields, ForwardedHeader header = ForwardedHeader::x_forwarded, const Peer& peer = kBalancer) {
  const Request request(fields);
  Provenance told;
  told.read(request.head.fields, peer, kTrusted, header);
  string shown = string(told.address()) + (told.https() ? " https " : " http ");
  shown +=
      string(told.host().empty() ? "-" : told.host()) + " " + string(told.port().empty() ? "-" : told.port()) + ":";
  for (const auto& hop : told.hops()) shown += " " + string(hop.node);
  return shown;
}
string read_elements(const string& value) { return read("Forwarded: " + value + "\r\n", ForwardedHeader::forwarded); }

TEST(Forwarded, P8TheClientIsTheRightmostUntrustedAddress) {
  EXPECT_EQ(read("X-Forwarded-For: 203.0.113.9\r\n"), "203.0.113.9 http - -: 203.0.113.9");
  EXPECT_EQ(read("X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.2.2.2\r\n"),
            "203.0.113.9 http - -: 6.6.6.6 203.0.113.9 10.2.2.2");
  EXPECT_EQ(read("X-Forwarded-For: 6.6.6.6,,\r\nX-Other: 1\r\nx-forwarded-for: 203.0.113.9\r\nX-Forwarded-For: "
                 "10.2.2.2 ,\r\n"),
            "203.0.113.9 http - -: 6.6.6.6 203.0.113.9 10.2.2.2");
  EXPECT_EQ(read("X-Forwarded-For: 2001:DB8::7, 2001:db8:ffff::1\r\n"),
            "2001:db8::7 http - -: 2001:DB8::7 2001:db8:ffff::1");
}

TEST(Forwarded, P8WhenAllAreTrustedTheClientIsTheLeftmost) {
  EXPECT_EQ(read("X-Forwarded-For: 10.1.1.1, 10.2.2.2\r\n"), "10.1.1.1 http - -: 10.1.1.1 10.2.2.2");
  EXPECT_EQ(read(""), "10.0.0.1 http - -:");
  EXPECT_EQ(read("X-Forwarded-For: ,\r\n"), "10.0.0.1 http - -:");
}

TEST(Forwarded, P8PortsAndBracketsAreNotPartOfAnAddress) {
  EXPECT_EQ(read("X-Forwarded-For: 203.0.113.9:4711\r\n"), "203.0.113.9 http - -: 203.0.113.9");
  EXPECT_EQ(read("X-Forwarded-For: [2001:db8::7]:4711, [2001:db8:ffff::1]\r\n"),
            "2001:db8::7 http - -: 2001:db8::7 2001:db8:ffff::1");
  EXPECT_EQ(read("X-Forwarded-For: ::ffff:203.0.113.9\r\n"), "203.0.113.9 http - -: ::ffff:203.0.113.9");
}

TEST(Forwarded, P8MalformedHopsEndTheChain) {
  for (const string bad : {"garbage", "1.2.3", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:70000", "[::1", "::1]", "[1.2.3.4]",
                           "[::1]x", "1.2.3.4 5.6.7.8", "fe80::1%eth0", "\"1.2.3.4\"", "_", "<script>"}) {
    EXPECT_EQ(read("X-Forwarded-For: 1.1.1.1, " + bad + ", 203.0.113.9\r\n"), "203.0.113.9 http - -: 203.0.113.9")
        << bad;
    EXPECT_EQ(read("X-Forwarded-For: 1.1.1.1, " + bad + ", 10.2.2.2\r\n"), "unknown http - -: 10.2.2.2") << bad;
    EXPECT_EQ(read("X-Forwarded-For: 1.1.1.1, " + bad + "\r\n"), "unknown http - -:") << bad;
  }
}

TEST(Forwarded, P8AClientThatIsNotToldIsNobody) {
  EXPECT_EQ(read("X-Forwarded-For: 1.1.1.1, unknown, 10.2.2.2\r\n"), "unknown http - -: 1.1.1.1 unknown 10.2.2.2");
  const Request request("X-Forwarded-For: _secret\r\n");
  Provenance told;
  told.read(request.head.fields, kBalancer, kTrusted, ForwardedHeader::x_forwarded);
  EXPECT_FALSE(AddressSet::of({"0.0.0.0/0", "10.0.0.0/8"}).contains(told.ip()));
}

TEST(Forwarded, P8NoMoreHopsThanTheLimit) {
  string list, nearest;
  for (int i = 0; i < 40; ++i) list += (i ? ", 10.0.1." : "10.0.1.") + std::to_string(i);
  for (int i = 8; i < 40; ++i) nearest += " 10.0.1." + std::to_string(i);
  EXPECT_EQ(read("X-Forwarded-For: " + list + "\r\n"), "unknown http - -:" + nearest);
  EXPECT_EQ(read("X-Forwarded-For: " + list + ", 9.9.9.9\r\n").substr(0, 7), "9.9.9.9");
}

TEST(Forwarded, P8TheSchemeIsWhatTheClientSpoke) {
  const string client = "X-Forwarded-For: 203.0.113.9\r\n";
  EXPECT_EQ(read(client + "X-Forwarded-Proto: https\r\n"), "203.0.113.9 https - -: 203.0.113.9");
  EXPECT_EQ(read(client + "X-Forwarded-Proto: HTTPS\r\n"), "203.0.113.9 https - -: 203.0.113.9");
  EXPECT_EQ(read(client + "X-Forwarded-Proto: javascript\r\n"), "203.0.113.9 http - -: 203.0.113.9");
  // What the client itself put in front counts for nothing; nor does what came after the first trusted proxy.
  EXPECT_EQ(read(client + "X-Forwarded-Proto: https, http\r\n"), "203.0.113.9 http - -: 203.0.113.9");
  EXPECT_EQ(read("X-Forwarded-For: 203.0.113.9, 10.2.2.2\r\nX-Forwarded-Proto: https, http\r\n"),
            "203.0.113.9 https - -: 203.0.113.9 10.2.2.2");
  const Peer secure{"10.0.0.1", kBalancer.ip, true};
  EXPECT_EQ(read(client, ForwardedHeader::x_forwarded, secure), "203.0.113.9 https - -: 203.0.113.9");
  EXPECT_EQ(read(client + "X-Forwarded-Proto: http\r\n", ForwardedHeader::x_forwarded, secure),
            "203.0.113.9 http - -: 203.0.113.9");
}

TEST(Forwarded, P8HostAndPortMustBeValid) {
  EXPECT_EQ(read("X-Forwarded-Host: shop.test:8443\r\nX-Forwarded-Port: 8443\r\n"),
            "10.0.0.1 http shop.test:8443 8443:");
  for (const string bad : {"a b", "a\"b", "a/b", "user@a", "[::1", ":80"}) {
    EXPECT_EQ(read("X-Forwarded-Host: " + bad + "\r\n"), "10.0.0.1 http - -:") << bad;
  }
  for (const string bad : {"0", "65536", "x", "80x", "-1"}) {
    EXPECT_EQ(read("X-Forwarded-Port: " + bad + "\r\n"), "10.0.0.1 http - -:") << bad;
  }
}

TEST(Forwarded, P8ReadsForwarded) {
  EXPECT_EQ(read_elements("for=192.0.2.43, for=10.1.1.1;by=203.0.113.60;proto=http;host=example.com"),
            "192.0.2.43 http - -: 192.0.2.43 10.1.1.1");
  EXPECT_EQ(read_elements("For=\"[2001:db8:cafe::17]:4711\";Proto=HTTPS;host=\"shop.test:8443\""),
            "2001:db8:cafe::17 https shop.test:8443 -: 2001:db8:cafe::17");
  EXPECT_EQ(read_elements("for=\"192.0.2.43:_port\" ,\t, for=10.1.1.1"), "192.0.2.43 http - -: 192.0.2.43 10.1.1.1");
  EXPECT_EQ(read_elements("for=6.6.6.6, for=_gazonk"), "unknown http - -: 6.6.6.6 _gazonk");
  EXPECT_EQ(read_elements("for=6.6.6.6, for=unknown;proto=https"), "unknown https - -: 6.6.6.6 unknown");
  EXPECT_EQ(read_elements("for=6.6.6.6, proto=https"), "unknown https - -: 6.6.6.6 unknown");
  EXPECT_EQ(read_elements(";for=192.0.2.43;;ext=\"a, b;\\\"c\";"), "192.0.2.43 http - -: 192.0.2.43");
}

TEST(Forwarded, P8MalformedForwardedTellsNothing) {
  for (const string bad : {"for",
                           "for=",
                           "=1.2.3.4",
                           "for =1.2.3.4",
                           "for= 1.2.3.4",
                           "for=1.2.3.4 ;proto=http",
                           "for=1.2.3.4; proto=http",
                           "for=1.2.3.4 for=5.6.7.8",
                           "for=\"1.2.3.4",
                           "for=\"1.2.3.4\"x",
                           "for=1.2.3.4:80",
                           "for=[::1]",
                           "for=\"::1\"",
                           "for=\"[::1\"",
                           "for=1.2.3.4;for=5.6.7.8",
                           "for=1.2.3.4;proto=http;PROTO=https",
                           "for=\"1.2.3.4\\\"\"",
                           "for=1.2.3",
                           "for=\"1.2.3.4:99999999\"",
                           "1.2.3.4",
                           "for=\"_\""}) {
    EXPECT_EQ(read_elements(bad), "unknown http - -:") << bad;
    EXPECT_EQ(read_elements("for=1.1.1.1, " + bad + ", for=203.0.113.9"), "unknown http - -:") << bad;
  }
}

TEST(Forwarded, P8ForwardedIsBounded) {
  string list;
  for (int i = 0; i < 40; ++i) list += "for=10.0.1." + std::to_string(i) + ", ";
  EXPECT_EQ(read_elements(list + "for=9.9.9.9").substr(0, 19), "9.9.9.9 http - -: 1");
  EXPECT_EQ(read_elements(list).substr(0, 27), "unknown http - -: 10.0.1.8 ");
  EXPECT_EQ(read_elements("for=9.9.9.9, for=10.1.1.1;ext=\"" + string(5000, 'x') + "\""), "unknown http - -:");
  EXPECT_EQ(read_elements("for=6.6.6.6;ext=\"" + string(5000, 'x') + "\", for=9.9.9.9"), "9.9.9.9 http - -: 9.9.9.9");
}

TEST(Forwarded, P8OneOfTheTwoHeadersIsBelieved) {
  const string both =
      "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6;proto=http\r\n";
  EXPECT_EQ(read(both), "203.0.113.9 https - -: 203.0.113.9");
  EXPECT_EQ(read(both, ForwardedHeader::forwarded), "6.6.6.6 http - -: 6.6.6.6");
  EXPECT_EQ(read("Forwarded: for=203.0.113.9;proto=https\r\n"), "203.0.113.9 https - -: 203.0.113.9");
  EXPECT_EQ(read("X-Forwarded-For: 6.6.6.6\r\n", ForwardedHeader::forwarded), "10.0.0.1 http - -:");
}

TEST(Forwarded, P8SurvivesMutations) {
  std::mt19937 random(5);
  const std::vector<string> seeds{
      "X-Forwarded-For: 6.6.6.6, 203.0.113.9:80, 10.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test\r\n",
      "Forwarded: for=192.0.2.43;host=\"a:80\", for=\"[2001:db8::17]:4711\";proto=https;by=_x, for=10.1.1.1\r\n",
      "Forwarded: for=unknown;ext=\"a\\\"b\"\r\nForwarded: for=_hidden\r\nX-Forwarded-For: 10.1.1.1\r\n"};
  for (int round = 0; round < 20000; ++round) {
    auto text = "GET / HTTP/1.1\r\nHost: h\r\n" + seeds[random() % seeds.size()];
    for (auto edits = 1 + random() % 5; edits > 0; --edits) {
      const auto at = 25 + random() % (text.size() - 27);
      const char some[] = "\",;=[]:._ 0159afx\\/\t";
      switch (random() % 3) {
        case 0: text[at] = some[random() % (sizeof some - 1)]; break;
        case 1: text.erase(at, 1 + random() % std::min<std::size_t>(4, text.size() - 2 - at)); break;
        default: text.insert(at, 1 + random() % 3, some[random() % (sizeof some - 1)]);
      }
      if (text.size() < 40) break;
    }
    text += "\r\n";
    RequestHead head;
    HeadScanner scanner;
    const auto size = scanner.scan(text);
    if (!size || *size == 0 || !parse_request(string_view(text).substr(0, *size), head)) continue;
    for (const auto header : {ForwardedHeader::x_forwarded, ForwardedHeader::forwarded}) {
      Provenance told;
      told.read(head.fields, kBalancer, kTrusted, header);
      ASSERT_LE(told.client_hop(), told.hops().size());
      if (told.address() != kUnknownClient) {
        EXPECT_EQ(parse_address(told.address()), told.ip());
        EXPECT_TRUE(told.hops().empty() || told.hops()[told.client_hop()].ip == told.ip());
      }
      for (std::size_t i = told.client_hop() + 1; i < told.hops().size(); ++i) {
        EXPECT_TRUE(told.hops()[i].ip && kTrusted.contains(*told.hops()[i].ip)) << text;
      }
    }
  }
}

string written(const string& fields, ForwardedHeader header = ForwardedHeader::x_forwarded) {
  const Request request(fields);
  Provenance told;
  told.read(request.head.fields, kBalancer, kTrusted, header);
  char buffer[8192];
  Writer out(buffer, buffer + sizeof buffer);
  write_request(out, request.head, Framing{}, {kBalancer.address, kBalancer.https, &told, "fleet-1"});
  const string text(buffer, out.size());
  EXPECT_TRUE(text.starts_with("GET / HTTP/1.1\r\nHost: h\r\n")) << text;
  return text.substr(25);
}

TEST(Forwarded, P8AppendsThePeerToWhatItsTrustedProxiesSay) {
  EXPECT_EQ(written("X-Forwarded-For: 6.6.6.6, 203.0.113.9:80, 10.2.2.2\r\nX-Forwarded-Proto: https, http\r\n"
                    "X-Forwarded-Host: shop.test:8443\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"),
            "CDN-Loop: fleet-1\r\n"
            "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.2.2.2, 10.0.0.1\r\n"
            "Forwarded: for=6.6.6.6, for=203.0.113.9;host=\"shop.test:8443\";proto=https, for=10.2.2.2, "
            "for=10.0.0.1;host=\"h\";proto=http\r\n"
            "X-Real-IP: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test:8443\r\n"
            "X-Forwarded-Port: 8443\r\n\r\n");
  EXPECT_EQ(written("Forwarded: for=\"[2001:db8::7]:80\";by=_lb;proto=https, for=10.2.2.2;ext=\"a, b\"\r\n",
                    ForwardedHeader::forwarded),
            "CDN-Loop: fleet-1\r\n"
            "X-Forwarded-For: 2001:db8::7, 10.2.2.2, 10.0.0.1\r\n"
            "Forwarded: for=\"[2001:db8::7]:80\";by=_lb;proto=https, for=10.2.2.2;ext=\"a, b\", "
            "for=10.0.0.1;host=\"h\";proto=http\r\n"
            "X-Real-IP: 2001:db8::7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n"
            "X-Forwarded-Port: 443\r\n\r\n");
}

TEST(Forwarded, P8ASilentTrustedPeerIsTheClient) {
  EXPECT_EQ(written(""),
            "CDN-Loop: fleet-1\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1;host=\"h\";proto=http\r\n"
            "X-Real-IP: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Forwarded-Port: 80\r\n\r\n");
}

TEST(Forwarded, P8AnUnknownClientHasNoRealIp) {
  EXPECT_EQ(
      written("X-Forwarded-For: unknown, 2001:db8:ffff::1\r\nX-Forwarded-Port: 8080\r\n"),
      "CDN-Loop: fleet-1\r\nX-Forwarded-For: unknown, 2001:db8:ffff::1, 10.0.0.1\r\n"
      "Forwarded: for=unknown;host=\"h\";proto=http, for=\"[2001:db8:ffff::1]\", for=10.0.0.1;host=\"h\";proto=http\r\n"
      "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Forwarded-Port: 8080\r\n\r\n");
}

TEST(Forwarded, P3AddsOurNameToThoseBeforeUs) {
  const auto text = written("Connection: CDN-Loop\r\nCDN-Loop: other; a=1\r\n");
  EXPECT_TRUE(text.starts_with("CDN-Loop: other; a=1\r\nCDN-Loop: fleet-1\r\nX-Forwarded-For")) << text;
}

TEST(Forwarded, P3CountsOurOwnPasses) {
  const auto count = [](const string& fields) { return passes(Request(fields).head.fields, "fleet-1"); };
  EXPECT_EQ(count(""), 0u);
  EXPECT_EQ(count("CDN-Loop: other, fleet-12, xfleet-1\r\n"), 0u);
  EXPECT_EQ(count("CDN-Loop: other, fleet-1 ; v=\"1\"\r\nCDN-Loop: fleet-1,fleet-1\r\n"), 3u);
  EXPECT_EQ(count("Connection: CDN-Loop\r\nCDN-Loop: fleet-1\r\n"), 1u);
}

}  // namespace
}  // namespace fleet::http
