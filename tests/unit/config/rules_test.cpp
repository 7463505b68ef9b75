// Rules of apps and of paths within them: what is read, what is complained about, and where.
#include <gmock/gmock.h>

#include "config/parse.hpp"
#include "read.hpp"

namespace fleet::config::test {
namespace {

using std::chrono::hours;

const std::string kHash = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA";

Environment with_files() {
  auto environment = user();
  environment.read_file = [](const std::string& path, std::size_t) -> Result<std::string> {
    if (path == "/etc/fleet/404.html") return "<h1>nothing here</h1>";
    if (path == "/etc/fleet/users") return "ann:" + kHash + "\n";
    if (path == "/etc/fleet/slow") return "ann:$2y$10$" + std::string(53, 'a') + "\n";
    if (path == "/etc/fleet/weak") return "\nann:{SHA}x\n";
    return fail("cannot read: No such file or directory");
  };
  return environment;
}

TEST(Rules, OfAPathAreThoseOfTheAppButForWhatItSays) {
  const auto config = parse(R"(
[[app.shop.route]]
path = "/shop/public"
https_redirect = "off"
rewrite_redirects = false
auth.enabled = false
max_body = "1GiB"

[[app.shop.route]]
path = "/shop/api"
strip_path = true
rewrite = []
response_headers.set = { X-B = "$host" }

[app.shop]
hosts = ["Shop.example", "*.shop.example"]
path = "/shop"
command = ["x"]
canonical_host = "shop.example"
max_body = "10MiB"
idle_timeout = "5m"
encoded_slash = "data"
access = { allow = ["10.0.0.0/8", "::1"], deny = ["10.1.2.3"] }
hsts = { max_age = "24h", include_subdomains = true }
cookies = { secure = true, domain = { "inner" = "shop.example" }, path = { "/" = "/shop" } }
response_headers = { set = { X-A = "1" }, remove = ["Server"] }
[app.shop.auth]
users = "users"
realm = "staff"
[app.shop.errors]
pages = { "404" = "404.html", "5xx" = "404.html" }
intercept = true
[[app.shop.rewrite]]
match = "^/shop/old/(.*)$"
to = "/shop/new/$1"
[[app.shop.rewrite]]
match = "^/shop/gone"
to = "https://$host/"
status = 302
[[app.shop.rewrite]]
match = '/\.git'
status = 403
)",
                            "fleet.toml", with_files());
  ASSERT_TRUE(config) << config.error().error().text;
  const auto& app = config->apps[0];
  EXPECT_EQ(app.hosts, (std::vector<std::string>{"shop.example", "*.shop.example"}));
  const auto& own = app.rules;
  EXPECT_EQ(own.path, "/shop");
  EXPECT_EQ(own.canonical_host, "shop.example");
  EXPECT_EQ(own.max_body, 10u << 20);
  EXPECT_EQ(own.idle_timeout, std::chrono::minutes(5));
  EXPECT_EQ(own.encoded_slash, EncodedSlash::data);
  EXPECT_EQ(own.access, (AccessLists{{"10.0.0.0/8", "::1/128"}, {"10.1.2.3/32"}}));
  EXPECT_EQ(own.hsts, (Hsts{hours(24), true, false}));
  EXPECT_EQ(own.cookies, (CookieRules{true, {{"inner", "shop.example"}}, {{"/", "/shop"}}}));
  EXPECT_EQ(own.response_headers, (HeaderEdits{{{"X-A", "1"}}, {}, {"Server"}}));
  EXPECT_EQ(own.auth, (BasicAuth{true, "/etc/fleet/users", "staff"}));
  EXPECT_TRUE(own.errors.intercept);
  ASSERT_EQ(own.rewrites.size(), 3u);
  EXPECT_EQ(own.rewrites[1], (Rewrite{"^/shop/gone", "https://$host/", 302}));
  EXPECT_EQ(own.rewrites[2], (Rewrite{"/\\.git", "", 403}));
  ASSERT_EQ(app.routes.size(), 2u);
  auto expected = own;
  expected.path = "/shop/public", expected.auth.enabled = false, expected.max_body = 1u << 30;
  expected.https_redirect = HttpsRedirect::off, expected.rewrite_redirects = false;
  EXPECT_EQ(app.routes[0], expected);
  expected = own;
  expected.path = "/shop/api", expected.strip_path = true, expected.rewrites.clear();
  expected.response_headers.set = {{"X-B", "$host"}};
  EXPECT_EQ(app.routes[1], expected);
  EXPECT_THAT(app.files, testing::UnorderedElementsAre(testing::Pair("/etc/fleet/404.html", "<h1>nothing here</h1>"),
                                                       testing::Pair("/etc/fleet/users", "ann:" + kHash + "\n")));
}

TEST(Rules, AreNoneByDefault) {
  const auto config = parse("[app.shop]\ncommand = [\"x\"]\n", "fleet.toml", user());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->apps[0].rules, Rules{});
  EXPECT_TRUE(config->apps[0].routes.empty() && config->apps[0].files.empty());
}

struct Case {
  const char* name;
  const char* text;     // from the third line on
  const char* problem;  // how the only line begins, after the file's name
};
class RuleProblem : public testing::TestWithParam<Case> {};

TEST_P(RuleProblem, IsNamedWithItsPlace) {
  const auto lines = problems(std::string("[app.shop]\ncommand = [\"x\"]\n") + GetParam().text, with_files());
  ASSERT_EQ(lines.size(), 1u) << testing::PrintToString(lines);
  EXPECT_THAT(lines[0], testing::StartsWith(std::string("fleet.toml:") + GetParam().problem));
}

const Case kCases[] = {
    {"Pattern", "[[app.shop.rewrite]]\nmatch = \"^/(\"\nto = \"/\"",
     "4:9: app \"shop\": rewrite.match: \"^/(\": not a pattern (RE2): missing )"},
    {"BackReference", "[[app.shop.rewrite]]\nmatch = '(a)\\1'\nto = \"/\"", "4:9: app \"shop\": rewrite.match: "},
    {"PatternEmpty", "[[app.shop.rewrite]]\nmatch = \"\"\nto = \"/\"", "4:9: app \"shop\": rewrite.match: must not be empty"},
    {"PatternTwice", "rewrite = [{match = \"a\", to = \"/\"}, {match = \"a\", to = \"/b\"}]",
     "3:46: app \"shop\": rewrite.match: \"a\" is there already (line 3), so this never applies"},
    {"Replacement", "rewrite = [{match = \"a\", to = \"/$1\"}]", "3:31: app \"shop\": rewrite.to: \"/$1\": $1: the pattern has no such"},
    {"ReplacementMissing", "rewrite = [{match = \"a\"}]", "3:12: app \"shop\": rewrite.to: missing"},
    {"OpenRedirect", "rewrite = [{match = \"(.*)\", to = \"https://x.example$1\", status = 301}]",
     "3:34: app \"shop\": rewrite.to: \"https://x.example$1\": what follows the host does not begin with /"},
    {"InternalToUrl", "rewrite = [{match = \"a\", to = \"https://x.example/\"}]",
     "3:31: app \"shop\": rewrite.to: \"https://x.example/\": does not begin with /"},
    {"Status", "rewrite = [{match = \"a\", to = \"/\", status = 304}]",
     "3:45: app \"shop\": rewrite.status: 304 is no redirect (301, 302, 303, 307, 308)"},
    {"RefusalThatLeads", "rewrite = [{match = \"a\", to = \"/x\", status = 404}]",
     "3:31: app \"shop\": rewrite.to: a refusal leads nowhere (see status)"},
    {"RewriteKey", "rewrite = [{mtch = \"a\", to = \"/\", match = \"x\"}]", "3:13: app \"shop\": rewrite: unknown key \"mtch\" (did you mean \"match\"?)"},
    {"RewriteTables", "rewrite = \"x\"", "3:11: app \"shop\": rewrite: expected [[...rewrite]] tables, not a string"},
    {"Host", "hosts = [\"a.*.b\"]", "3:10: app \"shop\": hosts: \"a.*.b\" is not a host name"},
    {"HostStar", "hosts = [\"*.\"]", "3:10: app \"shop\": hosts: "},
    {"CanonicalWildcard", "canonical_host = \"*.example.com\"", "3:18: app \"shop\": canonical_host: "},
    {"Size", "max_body = \"10 MB\"", "3:12: app \"shop\": max_body: \"10 MB\" is not a size (such as"},
    {"SizeNumber", "max_body = 10", "3:12: app \"shop\": max_body: an integer is not a size"},
    {"HeaderOfConnection", "request_headers.set = { Connection = \"x\" }",
     "3:38: app \"shop\": request_headers.set.\"Connection\": belongs to one connection"},
    {"HeaderOfOurs", "request_headers.remove = [\"X-Forwarded-For\"]",
     "3:27: app \"shop\": request_headers.remove: \"X-Forwarded-For\": is set or dropped by fleet itself"},
    {"HeaderInjection", "response_headers.set = { X = \"a\\r\\nb: c\" }",
     "3:30: app \"shop\": response_headers.set.\"X\": \"a\\x0d\\x0ab: c\": has a byte that cannot stand there"},
    {"HeaderVariable", "response_headers.add = { X = \"$user\" }",
     "3:30: app \"shop\": response_headers.add.\"X\": \"$user\": $user: no such variable"},
    {"HostRemoved", "request_headers.remove = [\"Host\"]", "3:27: app \"shop\": request_headers.remove: \"Host\": must have a Host"},
    {"PageMissing", "errors.pages = { \"404\" = \"nowhere.html\" }",
     "3:26: app \"shop\": errors.pages.\"404\": \"/etc/fleet/nowhere.html\": cannot read: No such file"},
    {"PageStatus", "errors.pages = { \"200\" = \"404.html\" }", "3:26: app \"shop\": errors.pages.\"200\": is no status of an error"},
    {"PageClass", "errors.pages = { \"6xx\" = \"404.html\" }", "3:26: app \"shop\": errors.pages.\"6xx\": is no status of an error"},
    {"MaintenancePage", "maintenance.page = \"x\"", "3:20: app \"shop\": maintenance.page: \"/etc/fleet/x\": cannot read"},
    {"MaintenanceExempt", "maintenance.exempt = [\"10.0.0.1/8\"]", "3:23: app \"shop\": maintenance.exempt: "},
    {"UsersMissing", "auth.users = \"nobody\"", "3:14: app \"shop\": auth.users: \"/etc/fleet/nobody\": cannot read"},
    {"UsersWeak", "auth.users = \"weak\"", "3:14: app \"shop\": auth.users: \"/etc/fleet/weak\": line 2: this kind of hash is guessed too"},
    {"UsersSlow", "auth.users = \"slow\"",
     "3:14: app \"shop\": auth.users: \"/etc/fleet/slow\": line 1: bcrypt of cost 10 would hold up all requests, at most 7 will do "
     "(make it anew: htpasswd -B -C 7, or mkpasswd -m sha-256)"},
    {"Realm", "auth.realm = 'a\"b'", "3:14: app \"shop\": auth.realm: "},
    {"Allow", "access.allow = [\"nowhere\"]", "3:17: app \"shop\": access.allow: "},
    {"CookiePath", "cookies.path = { \"x\" = \"/\" }", "3:24: app \"shop\": cookies.path.\"x\": is no path"},
    {"CookieDomain", "cookies.domain = { \"x\" = \"a;b\" }", "3:26: app \"shop\": cookies.domain.\"x\": \"a;b\" is no domain"},
    {"RouteWithoutPath", "[[app.shop.route]]\nstrip_path = true", "3:1: app \"shop\": route.path: missing"},
    {"RouteOutside", "path = \"/shop\"\n[[app.shop.route]]\npath = \"/shopping\"",
     "5:8: app \"shop\": route: \"/shopping\" is not below the app's own path \"/shop\""},
    {"RouteOfTheApp", "[[app.shop.route]]\npath = \"/\"", "4:8: app \"shop\": route: \"/\" is not below"},
    {"RouteTwice", "route = [{path = \"/a\"}, {path = \"/a/\"}]",
     "3:33: app \"shop\": any host with path \"/a\" belongs to app \"shop\" already (line 3)"},
    {"RouteOfAnother", "route = [{path = \"/a\"}]\n[app.blog]\ncommand = [\"x\"]\npath = \"/a\"",
     "3:18: app \"shop\": any host with path \"/a\" belongs to app \"blog\" already (line 6)"},
    {"RouteKey", "route = [{path = \"/a\", hosts = []}]", "3:24: app \"shop\": route \"/a\": unknown key \"hosts\""},
    {"RouteProblem", "route = [{path = \"/a\", auth.users = \"nobody\"}]", "3:37: app \"shop\": route \"/a\".auth.users: "},
    {"RouteToNowhere", "route = [{path = \"/a\", https_redirect = \"home\"}]",
     "3:41: app \"shop\": route \"/a\".https_redirect: there is no https listener (see [proxy] https)"},
    {"VariableOfNginx", "request_headers.set.X = \"$remote_addr\"",
     "3:25: app \"shop\": request_headers.set.\"X\": \"$remote_addr\": $remote_addr: no such variable (there are $host "},
    {"RouteTables", "route = 1", "3:9: app \"shop\": route: expected [[...route]] tables, not an integer"},
};
INSTANTIATE_TEST_SUITE_P(Cases, RuleProblem, testing::ValuesIn(kCases), [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace fleet::config::test
