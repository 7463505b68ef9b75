// What a visitor's request goes through on its way to an application and back.
#include "expect.hpp"

namespace fleet::test {
namespace {

class Proxy : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.ipv6 = true;
    setup.demo_apps = {
        DemoApp{.name = "shop"},
        DemoApp{.name = "home", .lines = {"hosts = [\"home.example\"]", "https_redirect = \"home\""}},
        DemoApp{.name = "same", .lines = {"hosts = [\"same.example\"]", "https_redirect = \"same-uri\""}},
        DemoApp{.name = "admin", .lines = {"path = \"/admin\""}}};
    return setup;
  }
  static Peer named(Peer peer, const std::string& host) {
    peer.server_name = host;
    return peer;
  }
  void deploy(const std::string& app) { ASSERT_TRUE(ended(fleet.deploy({app}, {"--app", app}), kDone)); }

  Fleet fleet{setup()};
};

TEST_F(Proxy, SendsPlainHttpToHttps) {
  fleet.start();
  const auto same = fetch(named(fleet.http(), "same.example"), "GET", "/a?b=1");
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->status == 301 || same->status == 302 || same->status == 307 || same->status == 308) << same->status;
  EXPECT_TRUE(same->header("Location").starts_with("https://same.example")) << same->header("Location");
  EXPECT_TRUE(same->header("Location").ends_with("/a?b=1")) << same->header("Location");
  const auto home = fetch(named(fleet.http(), "home.example"), "GET", "/a?b=1");
  ASSERT_TRUE(home);
  EXPECT_EQ(home->status / 100, 3);
  EXPECT_TRUE(home->header("Location").starts_with("https://home.example")) << home->header("Location");
  EXPECT_TRUE(home->header("Location").ends_with("/")) << home->header("Location");
}

TEST_F(Proxy, RewritesTheRedirectsOfAnApplicationThatKnowsNothingOfIt) {
  fleet.start();
  deploy("shop");
  const auto peer = fleet.https();
  for (const auto* target : {"/redirect?to=/x", "/redirect?to=/x&via=host"}) {
    const auto response = fetch(peer, "GET", target);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 302);
    EXPECT_EQ(response->header("Location"), "https://" + peer.server_name + "/x") << target;
  }
}

TEST_F(Proxy, TellsTheApplicationWhoAskedAndHowAndBelievesNoClient) {
  fleet.start();
  deploy("shop");
  const auto peer = fleet.https();
  const auto response = fetch(peer, "GET", "/echo-headers",
                              {"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: gopher", "X-Real-IP: 6.6.6.6",
                               "Connection: X-Forwarded-For", "X-Kept: yes"});
  ASSERT_TRUE(response);
  const auto& text = response->body;
  EXPECT_NE(text.find("X-Forwarded-For: 127.0.0.1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Forwarded-Proto: https\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Forwarded-Host: " + peer.server_name + "\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Forwarded-Port: " + std::to_string(peer.port) + "\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Real-IP: 127.0.0.1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Host: " + peer.server_name + "\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Kept: yes\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("6.6.6.6"), std::string::npos) << text;
  EXPECT_EQ(text.find("gopher"), std::string::npos) << text;
}

TEST_F(Proxy, ListensOnIpv6) {
  fleet.start();
  deploy("shop");
  const auto response = fetch(fleet.http6(), "GET", "/echo-headers");
  ASSERT_TRUE(response) << response.error().text;
  EXPECT_NE(response->body.find("X-Forwarded-For: ::1\n"), std::string::npos) << response->body;
}

TEST_F(Proxy, RoutesByHostAndLongestPathPrefix) {
  fleet.start();
  deploy("shop");
  deploy("admin");
  const auto at = [&](const std::string& target) {
    const auto response = fetch(fleet.https(), "GET", target);
    return response ? version_of(response->body).value_or(response->body) : response.error().text;
  };
  EXPECT_EQ(at("/"), "shop");
  EXPECT_EQ(at("/admin"), "admin");
  EXPECT_EQ(at("/admin/x"), "admin");
  EXPECT_EQ(at("/administrator"), "shop");
}

TEST_F(Proxy, MarksItsOwnErrorsAndKeepsTheirStatus) {
  fleet.start();
  deploy("shop");
  const auto none = fetch(fleet.https(), "GET", "/admin");  // nothing deployed there
  ASSERT_TRUE(none);
  EXPECT_EQ(none->status, 503);
  EXPECT_NE(none->header("Retry-After"), "");
  const auto crashed = fetch(fleet.https(), "POST", "/crash");
  ASSERT_TRUE(crashed);
  EXPECT_EQ(crashed->status, 502);
  for (const auto& response : {*none, *crashed}) {
    const auto marked = std::ranges::any_of(response.headers, [](const auto& field) {
      return field.first.size() > 7 && (field.first.starts_with("X-Fleet") || field.first.starts_with("x-fleet"));
    });
    EXPECT_TRUE(marked) << response.status << " has no field of the proxy's own";
  }
  const auto own = fetch(fleet.https(), "GET", "/nothing");  // the application's own 404
  ASSERT_TRUE(own);
  EXPECT_EQ(own->status, 404);
  EXPECT_NE(own->body.find("missing version=shop"), std::string::npos) << own->body;
}

TEST_F(Proxy, KeepsTheClientsConnectionThroughADeploy) {
  fleet.start();
  deploy("shop");
  const auto peer = fleet.https();
  auto connection = Connection::open(peer);
  ASSERT_TRUE(connection);
  for (const auto* version : {"shop", "v2", "v3"}) {
    if (version != std::string("shop")) {
      ASSERT_TRUE(ended(fleet.deploy({version}, {"--app", "shop"}), kDone));
    }
    ASSERT_TRUE(connection->send(request_text(peer, "GET", "/")));
    const auto response = connection->receive();
    ASSERT_TRUE(response) << response.error().text;
    EXPECT_TRUE(response->keeps);
    EXPECT_EQ(version_of(response->body).value_or("none"), version);
  }
}

std::uint64_t peak_kib(pid_t pid) {
  const auto text = read_whole("/proc/" + std::to_string(pid) + "/status");
  const auto at = text.find("VmHWM:");
  return at == std::string::npos ? 0 : std::stoull(text.substr(at + 6));
}

std::uint64_t big_bytes() { return std::getenv("FLEET_BIG") != nullptr ? 1'000'000'000 : 200'000'000; }

class Streams : public Proxy {
 protected:
  void SetUp() override {
    fleet.start();
    deploy("shop");
    for (int i = 0; i < 40; ++i) version_at(i % 2 == 0 ? fleet.https() : fleet.http());
  }
  std::uint64_t peak() const {
    std::uint64_t most = 0;
    for (const auto pid : fleet.worker_pids()) most = std::max(most, peak_kib(pid));
    return most;
  }
};

TEST_F(Streams, ABigDownloadThroughAnUnhurriedClientNeedsNoMemory) {
  const auto before = peak();
  for (const auto* query : {"", "&chunked=1"}) {
    const auto peer = fleet.https();
    auto connection = Connection::open(peer);
    ASSERT_TRUE(connection);
    ASSERT_TRUE(connection->send(request_text(peer, "GET", "/big?bytes=" + std::to_string(big_bytes()) + query)));
    pause_for(milliseconds(300));  // the application would fill any buffer by now
    std::uint64_t at = 0, wrong = 0;
    const auto response = connection->receive("GET", [&](std::string_view piece) {
      for (const char c : piece) wrong += c != static_cast<char>('a' + at++ % 26) ? 1 : 0;
    });
    ASSERT_TRUE(response) << response.error().text;
    EXPECT_EQ(response->body_bytes, big_bytes());
    EXPECT_EQ(wrong, 0u);
  }
  EXPECT_LT(peak(), before + 2048) << "KiB";
}

TEST_F(Streams, ABigUploadNeedsNoMemory) {
  const auto before = peak();
  std::string piece(1 << 20, 'x');
  std::uint32_t sum = 2166136261u;
  const auto pieces = big_bytes() / piece.size();
  for (const bool chunked : {false, true}) {
    const auto peer = fleet.https();
    auto connection = Connection::open(peer);
    ASSERT_TRUE(connection);
    const auto bytes = pieces * piece.size();
    std::string head = "POST /upload HTTP/1.1\r\nHost: " + peer.authority() + "\r\n";
    head += chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: " + std::to_string(bytes) + "\r\n\r\n";
    ASSERT_TRUE(connection->send(head));
    for (std::uint64_t i = 0; i < pieces; ++i) {
      for (const char c : piece) sum = chunked ? sum : (sum ^ static_cast<unsigned char>(c)) * 16777619u;
      const auto sent = connection->send(chunked ? "100000\r\n" + piece + "\r\n" : piece);
      ASSERT_TRUE(sent) << sent.error().text;
    }
    if (chunked) {
      ASSERT_TRUE(connection->send("0\r\n\r\n"));
    }
    const auto response = connection->receive("POST");
    ASSERT_TRUE(response) << response.error().text;
    char expected[64];
    std::snprintf(expected, sizeof expected, "bytes=%llu fnv=%08x\n", static_cast<unsigned long long>(bytes), sum);
    EXPECT_EQ(response->body, expected);
  }
  EXPECT_LT(peak(), before + 2048) << "KiB";
}

TEST(Tls, ChoosesTheCertificateByServerName) {
  const Fleet place;  // for its directory
  std::string tables;
  for (const std::string host : {"shop.example", "other.example"}) {
    const auto file = place.root() + "/" + host;
    const auto made = run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-keyout", file + ".key", "-out", file + ".pem", "-days", "2", "-subj", "/CN=" + host,
                           "-addext", "subjectAltName=DNS:" + host});
    ASSERT_EQ(made.code, 0) << made.err;
    tables += "[[tls]]\ncertificate = \"" + file + ".pem\"\nkey = \"" + file + ".key\"\n";
  }
  FleetSetup setup;
  setup.tables = tables;
  Fleet fleet(setup);
  fleet.start();
  const auto name_for = [&](const std::string& host) {
    auto peer = fleet.https();
    peer.server_name = host + ":443";
    const auto connection = Connection::open(peer);
    return connection ? connection->certificate_name() : connection.error().text;
  };
  EXPECT_EQ(name_for("shop.example"), "shop.example");
  EXPECT_EQ(name_for("other.example"), "other.example");
  EXPECT_EQ(name_for("unknown.example"), "shop.example") << "the first is the default";
}

}  // namespace
}  // namespace fleet::test
