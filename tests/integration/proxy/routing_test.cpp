// Rules through a real worker: what reaches the application, what the client gets instead of it.
#include <gmock/gmock.h>

#include "client.hpp"
#include "http2_client.hpp"
#include "origin.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Sends back the head that it got; a path that begins with a status is answered by it.
void echo(OriginConnection& connection) {
  OriginConnection::Request request;
  while (connection.read_request(request)) {
    const auto path = request.line().substr(request.line().find(' ') + 2);
    const int status = std::isdigit(static_cast<unsigned char>(path[0])) != 0 ? std::stoi(path) : 200;
    const std::string fields = status == 307   ? "Location: http://shop.test/in\r\n"
                               : status == 302 ? "Location: /login\r\n" : status == 401 ? "WWW-Authenticate: Own\r\n" : "";
    if (!connection.answer(request.head + "\r\n" + request.body, "Server: old\r\nSet-Cookie: a=b; Path=/in\r\n" + fields, status)) return;
  }
}

class Routing : public testing::Test {
 protected:
  // One app of any host with these rules, and what a client of it gets.
  void start(std::vector<Rules> rules, std::map<std::string, std::string> files = {}) {
    auto route = route_to({{"a", origin.port()}});
    route.rules = std::move(rules);
    route.files = std::move(files);
    worker.start(slot, {route});
    client.emplace(slot.http);
    secure.emplace(slot.https, Client::Tls{"shop.test"});
  }
  Slot slot;
  Origin origin{echo};
  WorkerProcess worker;
  std::optional<Client> client, secure;
};

Rules at(std::string path = "/") {
  Rules rules;
  rules.path = std::move(path);
  return rules;
}

TEST_F(Routing, RewritesForTheApplicationAndRedirectsTheClient) {
  auto rules = at();
  rules.rewrites = {{"^/old/(.*)$", "/new/$1", 0}, {"^/moved(.*)$", "/$1", 308}, {"^/out", "https://$host/in?", 302}};
  start({rules});
  EXPECT_THAT(client->get("/old/a%20b?q=1").body, StartsWith("GET /new/a%20b?q=1 HTTP/1.1\r\n"));
  EXPECT_THAT(client->get("/other//x?q").body, StartsWith("GET /other//x?q HTTP/1.1\r\n"));
  auto moved = client->get("/moved//evil.example/");
  EXPECT_EQ(moved.status, 308);
  EXPECT_EQ(moved.field("Location"), "/evil.example/");
  moved = client->post("/out?x", "body");
  EXPECT_EQ(moved.status, 302);
  EXPECT_EQ(moved.field("Location"), "https://shop.test/in");
  EXPECT_EQ(moved.field("X-Fleet-Error"), "");
  client.emplace(slot.http);
  const auto injected = client->get("/old/%0d%0aX-Evil:%20yes");
  EXPECT_THAT(injected.body, StartsWith("GET /new/%0D%0AX-Evil:%20yes HTTP/1.1\r\n"));
}

TEST_F(Routing, ARewriteIsNoWayAroundThePasswordsAddressesAndMaintenanceOfWhereItLeads) {
  auto rules = at(), admin = at("/admin"), inner = at("/inner"), down = at("/down"), open = at("/open");
  rules.rewrites = {{"^/old/(.*)$", "/$1", 0}};
  admin.auth = {true, "users", "staff"};
  inner.access.deny = {"127.0.0.0/8"};
  down.maintenance.enabled = true;
  // joe:secret
  start({rules, admin, inner, down, open}, {{"users", "joe:$5$xnNjXY.cQ6XGfjOq$dzifv1ck1jpoAbYyJedXOzcWiKC6dhqy5qh5P71xvW5\n"}});
  const auto asked = client->get("/old/admin/x");
  EXPECT_EQ(asked.status, 401);
  EXPECT_EQ(asked.field("WWW-Authenticate"), "Basic realm=\"staff\", charset=\"UTF-8\"");
  EXPECT_EQ(client->get("/old/x/%2e%2e/admin").status, 401);
  EXPECT_THAT(client->get("/old/admin/x", "shop.test", "Authorization: Basic am9lOnNlY3JldA==\r\n").body,
              StartsWith("GET /admin/x HTTP/1.1\r\n"));
  EXPECT_EQ(client->get("/old/inner").field("X-Fleet-Error"), "address-denied");
  EXPECT_EQ(client->get("/old/down").field("X-Fleet-Error"), "maintenance");
  EXPECT_EQ(client->get("/old/open").status, 200);
  EXPECT_EQ(client->get("/old/else").status, 200);
}

TEST_F(Routing, StripsAPathAndGivesRedirectsItBack) {
  auto rules = at("/api");
  rules.strip_path = true;
  start({rules});
  const auto got = client->get("/api/a%2Fb?c", "shop.test", "X-Forwarded-Prefix: /evil\r\n");
  EXPECT_THAT(got.body, StartsWith("GET /a%2Fb?c HTTP/1.1\r\n"));
  EXPECT_THAT(got.body, HasSubstr("X-Forwarded-Prefix: /api\r\n"));
  EXPECT_THAT(got.body, Not(HasSubstr("/evil")));
  EXPECT_EQ(client->get("/api/302").field("Location"), "/api/login");
  EXPECT_EQ(client->get("/302").field("Location"), "/login");
}

TEST_F(Routing, PathsDifferInRedirectsToHttpsAndInWhetherTheApplicationsBecomeHttps) {
  auto kept = at("/kept"), plain = at("/plain"), home = at("/home");
  kept.rewrite_redirects = false;
  kept.strip_path = plain.strip_path = true;
  plain.https_redirect = HttpsRedirect::off;
  home.https_redirect = HttpsRedirect::home;
  auto route = route_to({{"a", origin.port()}});
  route.https_redirect = HttpsRedirect::same_uri;
  route.rules = {kept, plain, home};
  worker.start(slot, {route});
  Client over_tls(slot.https, Client::Tls{"shop.test"}), over_http(slot.http);
  EXPECT_EQ(over_tls.get("/307", "shop.test").field("Location"), "https://shop.test/in");
  EXPECT_EQ(over_tls.get("/plain/307", "shop.test").field("Location"), "https://shop.test/plain/in");
  EXPECT_EQ(over_tls.get("/kept/307", "shop.test").field("Location"), "http://shop.test/in");
  EXPECT_EQ(over_http.get("/plain/200").status, 200);
  EXPECT_THAT(over_http.get("/kept/x").field("Location"), testing::EndsWith("/kept/x"));
  EXPECT_EQ(over_http.get("/kept/x").status, 301);
  EXPECT_THAT(over_http.get("/home/x").field("Location"), Not(HasSubstr("home")));
}

TEST_F(Routing, EditsFieldsBothWays) {
  auto rules = at();
  rules.request_headers = {{{"Host", "inner.test"}, {"X-Client", "$client"}}, {}, {"Cookie"}};
  rules.response_headers = {{{"X-Frame-Options", "DENY"}}, {{"Server", "new"}}, {"Server"}};
  rules.hsts.max_age = std::chrono::hours(1);
  rules.cookies.secure = true;
  rules.cookies.path = {{"/in", "/out"}};
  start({rules});
  const auto got = secure->get("/", "shop.test", "Cookie: secret\r\nX-Client: me\r\nAccept: x\r\n");
  EXPECT_THAT(got.body, HasSubstr("Host: inner.test\r\n"));
  EXPECT_THAT(got.body, HasSubstr("X-Client: 127.0.0.1\r\n"));
  EXPECT_THAT(got.body, HasSubstr("Accept: x\r\n"));
  EXPECT_THAT(got.body, Not(HasSubstr("secret")));
  EXPECT_THAT(got.body, Not(HasSubstr("X-Client: me")));
  EXPECT_EQ(got.field("X-Frame-Options"), "DENY");
  EXPECT_EQ(got.field("Server"), "new");
  EXPECT_EQ(got.count("Server:"), 1);
  EXPECT_EQ(got.field("Strict-Transport-Security"), "max-age=3600");
  EXPECT_EQ(got.field("Set-Cookie"), "a=b; Path=/out; Secure");
  const auto plain = client->get("/");
  EXPECT_EQ(plain.field("Strict-Transport-Security"), "");
  EXPECT_EQ(plain.field("Set-Cookie"), "a=b; Path=/out");
}

TEST_F(Routing, RulesOfALongerPathStandInPlaceOfThoseOfTheApp) {
  auto all = at(), open = at("/open");
  all.access.deny = {"127.0.0.0/8"};
  start({all, open});
  const auto denied = client->get("/x");
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.field("X-Fleet-Error"), "address-denied");
  EXPECT_EQ(client->get("/open/x").status, 200);
  EXPECT_EQ(client->get("/open/../x").status, 403);
  EXPECT_EQ(client->get("/open/%2e%2e/x").status, 403);
  EXPECT_EQ(client->get("/open/..;/x").status, 403);
  EXPECT_EQ(client->get("//x").status, 403);
  EXPECT_EQ(client->get("/x/%2e%2e/open").status, 200);
}

TEST_F(Routing, P13RefusesBodiesThatAreTooLargeWhetherTheySaySoOrNot) {
  auto rules = at();
  rules.max_body = 1000;
  start({rules});
  EXPECT_EQ(client->post("/", std::string(1000, 'x')).status, 200);
  const auto told = client->post("/", std::string(1001, 'x'));
  EXPECT_EQ(told.status, 413);
  EXPECT_EQ(told.field("X-Fleet-Error"), "body-too-large");
  EXPECT_EQ(told.field("Connection"), "close");
  Client early(slot.http);
  early.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(early.read_answer().status, 413);
  EXPECT_EQ(early.interim, "");
  Client streamed(slot.http);
  streamed.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  streamed.send("3e8\r\n" + std::string(1000, 'x') + "\r\n");
  EXPECT_TRUE(streamed.quiet(100));
  streamed.send("1\r\nx\r\n");
  EXPECT_EQ(streamed.read_answer().status, 413);
  EXPECT_TRUE(streamed.at_end());
}

TEST_F(Routing, TimesOutAsThePathSays) {
  Origin slow([](OriginConnection& connection) {
    OriginConnection::Request request;
    if (!connection.read_request(request)) return;
    if (request.has("/begun")) connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    connection.read_some();  // until the proxy gives up
  });
  auto rules = at("/quick"), begun = at("/begun");
  rules.first_byte_timeout = std::chrono::milliseconds(200);
  begun.idle_timeout = std::chrono::milliseconds(200);
  auto route = route_to({{"s", slow.port()}});
  route.rules = {rules, begun};
  worker.start(slot, {route});
  Client quick(slot.http), cut(slot.http);
  const auto late = quick.get("/quick");
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(late.field("X-Fleet-Error"), "upstream-timeout");
  const auto part = cut.get("/begun");
  EXPECT_EQ(part.status, 200);
  EXPECT_FALSE(part.whole);
}

TEST_F(Routing, ShowsPagesAndKeepsTheTrueStatus) {
  auto rules = at(), through = at("/through"), down = at("/down");
  rules.errors.pages = {{"404", "404"}, {"5xx", "5xx"}, {"401", "404"}};
  rules.errors.intercept = true;
  rules.response_headers.set = {{"X-Frame-Options", "DENY"}};
  through.errors.pages = rules.errors.pages;
  down.maintenance = {true, "soon", std::chrono::seconds(60), {}};
  const std::map<std::string, std::string> files{{"404", "<h1>nothing</h1>"}, {"5xx", "<h1>broken</h1>"}, {"soon", "<h1>soon</h1>"}};
  start({rules, through, down}, files);
  auto got = client->get("/404");
  EXPECT_EQ(got.status, 404);
  EXPECT_EQ(got.body, "<h1>nothing</h1>");
  EXPECT_EQ(got.field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(got.field("X-Frame-Options"), "DENY");
  EXPECT_EQ(got.field("Server"), "");
  EXPECT_EQ(got.field("X-Fleet-Error"), "");
  EXPECT_EQ(client->get("/500").body, "<h1>broken</h1>");
  EXPECT_EQ(client->get("/401").field("WWW-Authenticate"), "Own");
  EXPECT_THAT(client->get("/403").body, StartsWith("GET /403 "));
  EXPECT_EQ(client->get("/").status, 200) << "the connection goes on";
  client->send("HEAD /404 HTTP/1.1\r\nHost: h\r\n\r\n");
  got = client->read_answer(true);
  EXPECT_EQ(got.status, 404);
  EXPECT_EQ(got.field("Content-Length"), "16");
  EXPECT_THAT(client->get("/through/404").body, StartsWith("GET /through/404 "));
  got = client->get("/down/x");
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(got.body, "<h1>soon</h1>");
  EXPECT_EQ(got.field("Retry-After"), "60");
  EXPECT_EQ(got.field("X-Fleet-Error"), "maintenance");
  EXPECT_EQ(worker.stats_of("a").failed, 0u);
}

TEST_F(Routing, ShowsThePageForItsOwnErrors) {
  auto rules = at();
  rules.errors.pages = {{"5xx", "5xx"}};
  auto route = route_to({});
  route.rules = {rules};
  route.files = {{"5xx", std::string(32 << 10, 'x')}};
  worker.start(slot, {route});
  client.emplace(slot.http);
  const auto got = client->get("/");
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(got.body.size(), 32u << 10);
  EXPECT_EQ(got.field("X-Fleet-Error"), "no-target");
}

TEST_F(Routing, AsksForPasswordsAndPassesOnWhoHasOne) {
  auto rules = at();
  rules.auth.users = "users";
  rules.auth.realm = "staff";
  start({rules}, {{"users", "ann:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA\n"}});
  const auto asked = client->get("/");
  EXPECT_EQ(asked.status, 401);
  EXPECT_EQ(asked.field("WWW-Authenticate"), "Basic realm=\"staff\", charset=\"UTF-8\"");
  EXPECT_EQ(asked.field("X-Fleet-Error"), "unauthorized");
  const std::string right = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client->get("/", "shop.test", right).status, 200);
  EXPECT_EQ(client->get("/", "shop.test", "Authorization: Basic YW5uOndyb25n\r\n").status, 401);
  int busy = 0;
  for (int i = 0; i < 30; ++i) {
    const auto guess = std::string("Authorization: Basic YW5uOnh") + static_cast<char>(i < 26 ? 'A' + i : 'a' + i - 26) + "\r\n";
    busy += client->get("/", "shop.test", guess).status == 429 ? 1 : 0;
  }
  EXPECT_GE(busy, 10);
  EXPECT_EQ(client->get("/", "shop.test", right).status, 200);
}

TEST_F(Routing, TakesWildcardHosts) {
  auto exact = route_to({{"a", origin.port()}}), wild = exact;
  exact.hosts = {"shop.example.com"};
  wild.app = "wild";
  wild.hosts = {"*.example.com"};
  wild.releases.clear();
  worker.start(slot, {exact, wild});
  client.emplace(slot.http);
  EXPECT_EQ(client->get("/", "shop.example.com").status, 200);
  EXPECT_EQ(client->get("/", "example.com").status, 404);
  EXPECT_EQ(client->get("/", "a.b.example.com").status, 503);
}

TEST_F(Routing, HoldsForHttp2Alike) {
  auto rules = at(), down = at("/down"), api = at("/api");
  rules.max_body = 1000;
  rules.rewrites = {{"^/old/(.*)$", "/new/$1", 0}, {"^/out", "https://$host/in?", 302}};
  rules.response_headers = {{{"X-Frame-Options", "DENY"}}, {}, {"Server"}};
  rules.hsts.max_age = std::chrono::hours(1);
  rules.cookies.path = {{"/in", "/out"}};
  rules.errors = {{{"404", "large"}}, true};
  down.maintenance = {true, "large", std::chrono::seconds(60), {}};
  api.strip_path = true;
  start({rules, down, api}, {{"large", std::string(32 << 10, 'x')}});
  Http2Client http2(slot.https);
  auto got = http2.fetch(Http2Client::get("/old/x"));
  EXPECT_EQ(got.status, 200);
  EXPECT_THAT(got.body, StartsWith("GET /new/x HTTP/1.1\r\n"));
  EXPECT_EQ(got.field("x-frame-options"), "DENY");
  EXPECT_EQ(got.field("server"), "");
  EXPECT_EQ(got.field("strict-transport-security"), "max-age=3600");
  EXPECT_EQ(got.field("set-cookie"), "a=b; Path=/out");
  got = http2.fetch(Http2Client::get("/out"));
  EXPECT_EQ(got.status, 302);
  EXPECT_EQ(got.field("location"), "https://shop.test/in");
  EXPECT_EQ(got.field("strict-transport-security"), "max-age=3600");
  got = http2.fetch(Http2Client::get("/404"));
  EXPECT_EQ(got.status, 404);
  EXPECT_EQ(got.body.size(), 32u << 10);
  EXPECT_TRUE(got.ended);
  got = http2.fetch(Http2Client::get("/down"));
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(got.field("retry-after"), "60");
  EXPECT_EQ(got.body.size(), 32u << 10);
  EXPECT_EQ(http2.fetch(Http2Client::get("/api/302")).field("location"), "/api/login");
  const auto told = http2.begin(Http2Client::post("/", {{"content-length", "1001"}}), false);
  EXPECT_EQ(http2.answer(told).status, 413);
  const auto streamed = http2.begin(Http2Client::post("/"), false);
  http2.data(streamed, std::string(1001, 'x'));
  EXPECT_EQ(http2.answer(streamed).status, 413);
  EXPECT_EQ(http2.fetch(Http2Client::get("/")).status, 200) << "the connection goes on";
}

TEST_F(Routing, RefusesATableWhoseRulesCannotBeFollowedAndKeepsTheFormer) {
  start({});
  auto route = route_to({{"a", origin.port()}});
  auto rules = at();
  rules.rewrites = {{"(", "/", 0}};
  route.rules = {rules};
  wire::Table table;
  table.table.generation = worker.generation + 1;
  table.table.routes = {route};
  worker.send(table);
  const auto ack = worker.expect<wire::TableAck>();
  EXPECT_THAT(ack.error, HasSubstr("shop: /: not a pattern (RE2)"));
  EXPECT_EQ(client->get("/").status, 200);
}

}  // namespace
}  // namespace fleet::test
