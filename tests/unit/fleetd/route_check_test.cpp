#include "route_check.hpp"

#include <gmock/gmock.h>

namespace fleet {
namespace {

using testing::Contains;
using testing::ElementsAre;

RouteTable table() {
  RouteTable made;
  made.generation = 7;
  auto& shop = made.routes.emplace_back();
  shop.app = "shop";
  shop.hosts = {"shop.example", "*.shop.example"};
  shop.https_redirect = HttpsRedirect::same_uri;
  auto& release = shop.releases.emplace_back();
  release.release = 3;
  release.targets.resize(2);
  release.targets[0].id = "shop-v3-1";
  release.targets[1].id = "shop-v3-2";
  release.targets[1].state = TargetState::draining;
  auto& api = shop.rules.emplace_back();
  api.path = "/api";
  api.strip_path = true;
  api.max_body = 5;
  api.rewrites = {{"^/api/old/(.*)", "/new/$1", 0}, {"^/api/out", "https://else.example/", 302}};
  api.request_headers.set = {{"X-A", "$client"}};
  api.response_headers.remove = {"Server"};
  api.hsts.max_age = std::chrono::hours(1);
  api.access.deny = {"192.0.2.0/24"};
  return made;
}

class RouteCheck : public testing::Test {
 protected:
  api::RouteView of(std::string url, std::string method = "GET", std::string headers = "", std::string from = "10.0.0.1") {
    const auto view = check_route(table(), {std::move(url), std::move(method), std::move(from), std::move(headers)}, 8443, "/ready", logins, {});
    EXPECT_TRUE(view) << view.error().text;
    return view.value_or(api::RouteView{});
  }
  std::string problem(std::string url, std::string method = "GET", std::string headers = "", std::string from = "10.0.0.1") {
    const auto view = check_route(table(), {std::move(url), std::move(method), std::move(from), std::move(headers)}, 8443, "/ready", logins, {});
    return view ? "none" : view.error().text;
  }
  route::Logins logins{"secret"};
};

TEST_F(RouteCheck, ShowsWhatTheApplicationGetsAndWhy) {
  const auto got = of("https://a.shop.example/api/x/../old/%20y?z#f", "POST", "Content-Length: 5\nServer: x\nX-A: mine");
  EXPECT_EQ(got.generation, 7u);
  EXPECT_EQ(got.app, "shop");
  EXPECT_EQ(got.host, "*.shop.example");
  EXPECT_EQ(got.path, "/api");
  EXPECT_EQ(got.seen_path, "/api/old/ y");
  EXPECT_EQ(got.status, std::nullopt);
  EXPECT_EQ(got.because, "rewrite");
  EXPECT_EQ(got.rule, "#1 ^/api/old/(.*) -> /new/$1");
  EXPECT_EQ(got.target, "/new/%20y?z");
  EXPECT_THAT(got.request_head, Contains("POST /new/%20y?z HTTP/1.1"));
  EXPECT_THAT(got.request_head, Contains("X-A: 10.0.0.1"));
  EXPECT_THAT(got.request_head, testing::Not(Contains("X-A: mine")));
  EXPECT_THAT(got.response_changes, ElementsAre("remove Server", "add Strict-Transport-Security: max-age=3600"));
  ASSERT_EQ(got.targets.size(), 2u);
  EXPECT_EQ(got.targets[0], (api::RouteTarget{"shop-v3-1", 3, "ready"}));
  EXPECT_EQ(got.targets[1].state, "draining");
  EXPECT_EQ(got.max_body, 5u);
}

TEST_F(RouteCheck, ShowsWhatFleetAnswersItself) {
  auto got = of("http://shop.example/x");
  EXPECT_EQ(got.status, 301u);
  EXPECT_EQ(got.location, "https://shop.example:8443/x");
  EXPECT_EQ(got.because, "https_redirect");
  EXPECT_TRUE(got.targets.empty()) << "none gets it";
  got = of("https://shop.example/api/out");
  EXPECT_EQ(got.status, 302u);
  EXPECT_EQ(got.rule, "#2 ^/api/out -> https://else.example/");
  got = of("https://shop.example/api/x", "GET", "", "192.0.2.9");
  EXPECT_EQ(got.status, 403u);
  EXPECT_EQ(got.reason, "address-denied");
  got = of("https://shop.example/api/x", "POST", "Content-Length: 6");
  EXPECT_EQ(got.status, 413u);
  got = of("https://other.example/");
  EXPECT_EQ(got.status, 404u);
  EXPECT_EQ(got.reason, "no-route");
  EXPECT_EQ(got.app, "");
  got = of("https://shop.example/..");
  EXPECT_EQ(got.status, 400u);
  EXPECT_EQ(got.reason, "bad-target");
  EXPECT_EQ(of("https://shop.example/", "TRACE").status, 405u);
  EXPECT_EQ(of("https://shop.example/", "POST", "Content-Length: 1\nTransfer-Encoding: chunked").reason, "conflicting-lengths");
  EXPECT_EQ(of("https://shop.example").target, "/");
  EXPECT_EQ(of("https://shop.example?q").target, "/?q");
}

TEST_F(RouteCheck, ShowsWhatARequestWouldWaitFor) {
  auto asked = table();
  auto& shop = asked.routes[0];
  const auto check = [&](std::chrono::seconds now) {
    const auto view = check_route(asked, {"https://shop.example/", "GET", "10.0.0.1", ""}, 443, "/ready", logins, route::Logins::Time(now));
    EXPECT_TRUE(view);
    return view.value_or(api::RouteView{});
  };
  shop.held_until = milliseconds(70'000);
  EXPECT_EQ(check(std::chrono::seconds(60)).waits, "held");
  EXPECT_EQ(check(std::chrono::seconds(60)).waits_ms, milliseconds(10'000));
  EXPECT_EQ(check(std::chrono::seconds(70)).waits, "");
  shop.releases[0].targets[0].state = TargetState::resting;
  EXPECT_EQ(check(std::chrono::seconds(70)).status, 503u) << "none is to come";
  shop.awaited = true;
  EXPECT_EQ(check(std::chrono::seconds(70)).status, std::nullopt);
  EXPECT_EQ(check(std::chrono::seconds(70)).waits, "no-target");
  EXPECT_EQ(check(std::chrono::seconds(70)).waits_ms, shop.hold.timeout);
  shop.hold.timeout = milliseconds(0);
  EXPECT_EQ(check(std::chrono::seconds(70)).reason, "no-target");
}

TEST_F(RouteCheck, AsksTheRulesOfThePathThatARewriteLeadsTo) {
  auto asked = table();
  auto& admin = asked.routes[0].rules.emplace_back();
  admin.path = "/new/admin";
  admin.access.deny = {"10.0.0.0/8"};
  const auto check = [&](const std::string& url) { return check_route(asked, {url, "GET", "10.0.0.1", ""}, 443, "/ready", logins, {}); };
  const auto denied = check("https://shop.example/api/old/admin/x");
  ASSERT_TRUE(denied);
  EXPECT_EQ(denied->status, 403u);
  EXPECT_EQ(denied->because, "access");
  EXPECT_EQ(check("https://shop.example/api/old/x")->status, std::nullopt);
}

TEST_F(RouteCheck, ShowsWhatTheProxyAnswersToABalancer) {
  auto asked = table();
  auto& shop = asked.routes[0];
  shop.hold.answer = {"/health"};
  const auto check = [&](const std::string& url, const std::string& method = "GET") {
    const auto view = check_route(asked, {url, method, "10.0.0.1", ""}, 443, "/ready", logins, {});
    EXPECT_TRUE(view);
    return view.value_or(api::RouteView{});
  };
  EXPECT_EQ(check("http://anybody/ready?x").status, 200u);
  EXPECT_EQ(check("http://anybody/ready").because, "ready_path");
  EXPECT_EQ(check("http://anybody/ready", "POST").reason, "no-route");
  EXPECT_EQ(check("https://shop.example/health").status, std::nullopt) << "the application answers";
  shop.held_until = milliseconds(1);
  EXPECT_EQ(check("https://shop.example/health").status, 200u);
  EXPECT_EQ(check("https://shop.example/health").because, "hold.answer");
  EXPECT_EQ(check("https://shop.example/x").waits, "held");
  shop.releases.clear();
  EXPECT_EQ(check("http://anybody/ready").status, 503u);
}

TEST_F(RouteCheck, TellsFieldsThatAreSetFromThoseAdded) {
  auto asked = table();
  asked.routes[0].rules[0].response_headers.set = {{"server", "me"}};
  asked.routes[0].rules[0].response_headers.add = {{"X-B", "1"}};
  const auto got = check_route(asked, {"http://shop.example/api", "GET", "10.0.0.1", ""}, 443, "/ready", logins, {});
  ASSERT_TRUE(got);
  EXPECT_THAT(got->response_changes, testing::UnorderedElementsAre("set server: me", "add X-B: 1"));
}

TEST_F(RouteCheck, RefusesWhatIsNoRequest) {
  EXPECT_EQ(problem("ftp://x/"), "url: not an http or https URL");
  EXPECT_EQ(problem("https://"), "url: has no host");
  EXPECT_EQ(problem("https://x/a b"), "url: has blanks or control characters");
  EXPECT_EQ(problem("https://x/\r\nX: y"), "url: has blanks or control characters");
  EXPECT_EQ(problem("https://x/", "G T"), "method: not a method");
  EXPECT_EQ(problem("https://x/", "GET", "nonsense"), "header: not \"Name: value\"");
  EXPECT_EQ(problem("https://x/", "GET", "A: b\r\n\r\nC: d"), "header: not \"Name: value\"");
  EXPECT_EQ(problem("https://x/", "GET", "", "nobody"), "from: not an IP address");
}

}  // namespace
}  // namespace fleet
