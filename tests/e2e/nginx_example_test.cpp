// "Coming from nginx" in README.md: both of its files, as they stand there but for names of files, ports and times, give
// the same answers.
#include <filesystem>
#include <regex>

#include "expect.hpp"
#include "support/certificates/certificates.hpp"

namespace fleet::test {
namespace {

constexpr const char* kNginx = "/usr/sbin/nginx";

std::string block_of_readme(const std::string& language) {
  const auto text = read_whole(std::string(FLEET_SOURCE_DIR) + "/README.md");
  const auto begin = text.find("```" + language + "\n", text.find("## Coming from nginx"));
  if (begin == std::string::npos) throw std::runtime_error("README.md: no " + language);
  const auto first = text.find('\n', begin) + 1;
  return text.substr(first, text.find("```", first) - first);
}

// Each of which must be there.
std::string with(std::string text, const std::vector<std::pair<std::string, std::string>>& changes) {
  for (const auto& [from, to] : changes) {
    auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    for (; at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  }
  return text;
}

struct Question {
  bool tls;
  std::string host, method, target;
  std::vector<std::string> headers = {};
  std::size_t body = 0;  // bytes
};

const std::string kWho = "Authorization: Basic am9lOnNlY3JldA==";  // joe:secret
const std::vector<Question> kQuestions = {
    {false, "shop.example.com", "GET", "/a?b=1"},
    {false, "www.shop.example.com", "GET", "/a?b=1"},
    {true, "www.shop.example.com", "GET", "/a?b=1"},
    {false, "shop.example.com", "GET", "/.well-known/echo-headers"},
    {true, "shop.example.com", "GET", "/echo-headers?a=%20b"},
    {true, "shop.example.com", "GET", "/nothing/there"},
    {true, "shop.example.com", "GET", "/items/42"},
    {true, "shop.example.com", "GET", "/items/x"},
    {true, "shop.example.com", "GET", "/old/x"},
    {true, "shop.example.com", "GET", "/x/.git/config"},
    {true, "shop.example.com", "GET", "/api/echo-headers?x"},
    {true, "shop.example.com", "POST", "/upload", {}, 1 << 21},
    {true, "shop.example.com", "GET", "/metrics"},
    {true, "shop.example.com", "GET", "/admin"},
    {true, "shop.example.com", "GET", "/admin", {"Authorization: Basic am9lOndyb25n"}},
    {true, "shop.example.com", "GET", "/admin", {kWho}},
    {true, "shop.example.com", "GET", "/slow?ms=1200"},
};

// What a client sees of it, one thing a line: ports aside, and whether a URL is said in full.
std::string answer_of(Peer peer, const Question& asked) {
  peer.server_name = asked.host;
  const auto got = fetch(peer, asked.method, asked.target, asked.headers, std::string(asked.body, 'x'));
  if (!got) return got.error().text;
  auto location = std::regex_replace(std::string(got->header("Location")), std::regex(":[0-9]+"), "");
  if (location.starts_with('/')) location.insert(0, "https://" + asked.host);
  auto text = std::to_string(got->status) + "\n" + location + "\n";
  if (asked.tls && !asked.host.starts_with("www.")) {  // nginx forgets the fields that another server block adds
    for (const auto* name : {"X-Frame-Options", "Strict-Transport-Security"}) text.append(got->header(name)).append("\n");
  }
  const bool is_echo = got->status == 200 && got->body.starts_with("GET /");
  return text + (is_echo ? got->body.substr(0, got->body.find('\n')) : got->status >= 500 ? got->body : "");
}

class ComingFromNginx : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    const auto toml = block_of_readme("toml");
    FleetSetup setup;
    setup.demo_apps.clear();
    setup.apps = "\n" + with(toml.substr(toml.find("[app.")), {{"30s", "500ms"}, {"/catalogue?", "/echo-headers?"}});
    return setup;
  }
  void SetUp() override {
    write_whole(fleet.root() + "/down.html", "<h1>down</h1>\n");
    // joe:secret, SHA-256-crypt, which nginx knows from crypt(3)
    write_whole(fleet.root() + "/staff.htpasswd", "joe:$5$xnNjXY.cQ6XGfjOq$dzifv1ck1jpoAbYyJedXOzcWiKC6dhqy5qh5P71xvW5\n");
    fleet.start();
    ASSERT_TRUE(ended(fleet.deploy({"one"}), kDone));
  }
  // Before the same instance of the app.
  void start_nginx() {
    const auto& root = fleet.root();
    const auto issued = issue({.name = "shop.example.com", .hosts = {"shop.example.com"}});
    write_whole(root + "/shop.pem", issued.certificate);
    write_whole(root + "/shop.key", issued.key);
    http.port = free_port(), https.port = free_port(), https.tls = true;
    const auto local = [](std::uint16_t port) { return "listen 127.0.0.1:" + std::to_string(port); };
    const auto port = fleet.app().at("instances").at(0).at("port").get<int>();
    std::string text = "daemon off;\nmaster_process off;\nerror_log stderr;\npid " + root + "/nginx.pid;\nevents {}\nhttp {\naccess_log off;\n";
    for (const std::string kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) text += kind + "_temp_path " + root + "/nginx." + kind + ";\n";
    text += with(block_of_readme("nginx"), {{"listen 80", local(http.port)},
                                            {"listen 443", local(https.port)},
                                            {"/etc/ssl", root},
                                            {"/var/www", root},
                                            {"/etc/nginx", root},
                                            {"127.0.0.1:8080", "127.0.0.1:" + std::to_string(port)},
                                            {"30s", "500ms"},
                                            {"/catalogue?", "/echo-headers?"}});
    write_whole(root + "/nginx.conf", text + "}\n");
    nginx.emplace(std::vector<std::string>{kNginx, "-e", "stderr", "-c", root + "/nginx.conf"}, Environment{}, "", root + "/nginx.log");
    ASSERT_TRUE(eventually(milliseconds(5000), [&] { return Connection::open(http).has_value(); })) << read_whole(root + "/nginx.log");
  }

  Fleet fleet{setup()};
  Peer http, https;
  std::optional<Program> nginx;
};

TEST_F(ComingFromNginx, GivesTheSameAnswers) {
  if (!std::filesystem::exists(kNginx)) GTEST_SKIP() << "no nginx here";
  start_nginx();
  for (const auto& asked : kQuestions) {
    EXPECT_EQ(answer_of(asked.tls ? fleet.https() : fleet.http(), asked), answer_of(asked.tls ? https : http, asked))
        << asked.method << " " << asked.host << asked.target;
  }
}

TEST_F(ComingFromNginx, DoesWhatItsKeysSay) {
  const auto status = [&](const Question& asked) { return answer_of(asked.tls ? fleet.https() : fleet.http(), asked).substr(0, 3); };
  std::vector<std::string> seen;
  for (const auto& asked : kQuestions) seen.push_back(status(asked));
  EXPECT_EQ(seen, (std::vector<std::string>{"301", "301", "301", "404", "200", "404", "301", "404", "200", "403", "200", "413", "403",
                                            "401", "401", "404", "504"}));
}

TEST_F(ComingFromNginx, IsAConfigurationAsItStands) {
  const auto& root = fleet.root();
  const auto issued = issue({.name = "shop.example.com", .hosts = {"shop.example.com"}});
  write_whole(root + "/shop.pem", issued.certificate);
  write_whole(root + "/shop.key", issued.key);
  write_whole(root + "/readme.toml", with(block_of_readme("toml"), {{"/etc/ssl", root}}));
  EXPECT_TRUE(ended(fleet.ctl({"config", "check", root + "/readme.toml"}), kDone));
}

}  // namespace
}  // namespace fleet::test
