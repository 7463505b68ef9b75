#include "route/decide.hpp"

#include <gtest/gtest.h>

#include "route/index.hpp"

namespace fleet::route {
namespace {

// "secret", SHA-256-crypt of 1000 rounds
const std::string kUsers = "ann:$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2\n";

class Decide : public testing::Test {
 protected:
  // The decision on a GET (or whatever the text says) of an app with these rules.
  Decision of(std::string text) {
    request = text.find(" HTTP/") == std::string::npos ? "GET " + text + " HTTP/1.1\r\nHost: shop.example\r\n\r\n" : std::move(text);
    EXPECT_TRUE(http::parse_request(request, head)) << request;
    const auto framing = http::request_framing(head);
    Files files(contents);
    auto compiled = compile(rules, files);
    EXPECT_TRUE(compiled) << compiled.error().text;
    if (!compiled) return {};
    made = *compiled;
    Place place{"shop", https_redirect, made.get(), matching_host(head.authority, host_scratch), {}};
    const auto path = matching_path(head.target, EncodedSlash::separator, path_scratch);
    EXPECT_TRUE(path);
    place.path = *path;
    const Asked asked{head, *framing, *parse_address(address), address, https, 443, now};
    return decide(place, asked, logins);
  }
  std::string target_of(std::string text) {
    const auto decision = of(std::move(text));
    return decision.status == 0 ? decision.target : std::to_string(decision.status) + " " + decision.location;
  }
  void rewrite(std::string match, std::string to, std::uint32_t status = 0) {
    rules.rewrites.push_back({std::move(match), std::move(to), status});
  }

  Rules rules;
  std::map<std::string, std::string> contents{{"users", kUsers}, {"page", "<h1>soon</h1>"}};
  HttpsRedirect https_redirect = HttpsRedirect::off;
  std::string address = "192.0.2.7";
  bool https = false;
  Logins logins{"a secret of this test, 32 bytes.."};
  Logins::Time now{std::chrono::hours(1)};

  std::string request, host_scratch, path_scratch;
  http::RequestHead head;
  std::shared_ptr<const CompiledRules> made;
};

TEST_F(Decide, WithoutRulesPassesAllOnAsItCame) {
  const auto decision = of("/a%2fb//../c?d");
  EXPECT_EQ(decision.status, 0);
  EXPECT_EQ(decision.target, "");
  EXPECT_EQ(decision.because, Because::nothing);
}

TEST_F(Decide, SendsToHttpsAndToTheCanonicalHostAtOnce) {
  https_redirect = HttpsRedirect::same_uri;
  EXPECT_EQ(of("/a?b").location, "https://shop.example/a?b");
  EXPECT_EQ(of("/a?b").status, 301);
  EXPECT_EQ(of("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n").status, 308);
  rules.canonical_host = "www.shop.example";
  EXPECT_EQ(of("/a?b").location, "https://www.shop.example/a?b");
  EXPECT_EQ(of("/a?b").because, Because::https_redirect);
  https = true;
  EXPECT_EQ(of("/a?b").location, "https://www.shop.example/a?b");
  EXPECT_EQ(of("/a?b").because, Because::canonical_host);
  EXPECT_EQ(of("GET /x HTTP/1.1\r\nHost: Shop.example:8443\r\n\r\n").location, "https://www.shop.example:8443/x");
  EXPECT_EQ(of("GET /x HTTP/1.1\r\nHost: WWW.shop.example\r\n\r\n").status, 0);
  EXPECT_EQ(of("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n").status, 308);
  https = false;
  https_redirect = HttpsRedirect::home;
  EXPECT_EQ(of("/a?b").location, "https://www.shop.example/");
}

TEST_F(Decide, APathMayRedirectToHttpsUnlikeItsApp) {
  https_redirect = HttpsRedirect::same_uri;
  rules.https_redirect = HttpsRedirect::off;
  EXPECT_EQ(of("/.well-known/acme-challenge/x").status, 0);
  rules.https_redirect = HttpsRedirect::home;
  EXPECT_EQ(of("/a").location, "https://shop.example/");
  https_redirect = HttpsRedirect::off;
  EXPECT_EQ(of("/a").location, "https://shop.example/");
}

TEST_F(Decide, RewritesOnceAndByTheFirstRuleThatMatches) {
  rewrite("^/old/(.*)$", "/new/$1");
  rewrite("^/new/(.*)$", "/old/$1");
  rewrite("^/gone/", "https://archive.example/?", 302);
  EXPECT_EQ(target_of("/old/x?q=1"), "/new/x?q=1");
  EXPECT_EQ(target_of("/new/x"), "/old/x");
  EXPECT_EQ(target_of("/gone/x?q"), "302 https://archive.example/");
  EXPECT_EQ(target_of("/other"), "");
  EXPECT_EQ(of("/gone/x").because, Because::rewrite);
  EXPECT_EQ(of("/gone/x").rewrite, 2u);
}

TEST_F(Decide, RefusesWhatARuleSays) {
  rewrite("/\\.(git|ht)", "", 404);
  rewrite("^/gone", "", 410);
  rewrite("^/", "/all");
  EXPECT_EQ(of("/a/%2egit/config").status, 404);
  EXPECT_EQ(of("/a/.git").reason, "refused");
  EXPECT_EQ(of("/gone/x").status, 410);
  EXPECT_EQ(of("/gone/x").rewrite, 1u);
  EXPECT_EQ(target_of("/x"), "/all");
}

TEST_F(Decide, RewritesWithQueriesOfBoth) {
  rewrite("^/p/(\\w+)$", "/page.php?id=$1");
  rewrite("^/q/", "/q.php?");
  rewrite("^/r$", "/s", 307);
  EXPECT_EQ(target_of("/p/7?x=1"), "/page.php?id=7&x=1");
  EXPECT_EQ(target_of("/q/?x=1"), "/q.php");
  EXPECT_EQ(target_of("/r?x=1"), "307 /s?x=1");
}

TEST_F(Decide, P11MatchesTheDecodedPathAndEncodesWhatItMakes) {
  rewrite("^/old/(.*)$", "/new/$1");
  EXPECT_EQ(target_of("/%6fld/a%20b"), "/new/a%20b");
  EXPECT_EQ(target_of("/x/../old/a"), "/new/a");
  EXPECT_EQ(target_of("/old/a%0d%0aSet-Cookie:%20x"), "/new/a%0D%0ASet-Cookie:%20x");
  EXPECT_EQ(target_of("/old/a%3fb%23c%2541"), "/new/a%3Fb%23c%2541");
}

TEST_F(Decide, ARedirectNeverLeavesTheHostUnlessItsTemplateDoes) {
  rewrite("^/old(.*)$", "/$1", 302);
  rewrite("^/any", "$uri", 302);
  for (const char* path : {"/old//evil.example", "/old/%2fevil.example", "/old/evil.example", "/old/./evil.example"}) {
    EXPECT_EQ(target_of(path), "302 /evil.example") << path;
  }
  EXPECT_EQ(target_of("/old/%5cevil.example"), "302 /%5Cevil.example");
  EXPECT_EQ(target_of("//any"), "302 /any");
  EXPECT_EQ(target_of("/\\/..//any?x"), "302 /..//any?x");
}

TEST_F(Decide, StripsThePrefixAndLeavesTheRestAsItCame) {
  rules.path = "/api";
  rules.strip_path = true;
  EXPECT_EQ(target_of("/api/a%2Fb?c"), "/a%2Fb?c");
  EXPECT_EQ(target_of("/api%2Fa%2Fb"), "/a/b");
  EXPECT_EQ(target_of("/api/%2Fevil.example"), "/evil.example");
  EXPECT_EQ(target_of("/api/a%2F..%2Fb"), "/b");
  EXPECT_EQ(target_of("/api/a%20b;c?d"), "/a%20b;c?d");
  EXPECT_EQ(target_of("/api"), "/");
  EXPECT_EQ(target_of("/api?x"), "/?x");
  EXPECT_EQ(target_of("/api/"), "/");
  EXPECT_EQ(target_of("/%61pi/x%41"), "/xA");
  EXPECT_EQ(target_of("/api//evil.example/x"), "/evil.example/x");
  EXPECT_EQ(target_of("/api/../api/x"), "/x");
  EXPECT_EQ(of("/api/x").because, Because::strip_path);
  rules.encoded_slash = EncodedSlash::data;
  EXPECT_EQ(target_of("/api/a%2Fb?c"), "/a%2Fb?c");
  EXPECT_EQ(target_of("/api/%61%2F%2561"), "/%61%2F%2561");
  EXPECT_EQ(target_of("/x/../api/a%2Fb%25"), "/a%2Fb%25");
  rewrite("^/api/v1/(.*)$", "/v1/$1");
  EXPECT_EQ(target_of("/api/v1/a%2fb"), "/v1/a%2Fb");
}

TEST_F(Decide, P11RefusesEncodedSlashesWhereTheRouteSaysSo) {
  EXPECT_EQ(of("/a%2Fb").status, 0);
  rules.encoded_slash = EncodedSlash::refuse;
  EXPECT_EQ(of("/a%2Fb").status, 400);
  EXPECT_EQ(of("/a%2fb").reason, "encoded-slash");
  EXPECT_EQ(of("/a/b").status, 0);
  rules.path = "/api";
  rules.encoded_slash = EncodedSlash::data;
  EXPECT_EQ(of("/x%2f..%2fapi/y").status, 400);  // whose it is depends on what the slash means
}

TEST_F(Decide, LetsInWhomTheListsLetIn) {
  rules.access.deny = {"192.0.2.0/24"};
  EXPECT_EQ(of("/").status, 403);
  EXPECT_EQ(of("/").reason, "address-denied");
  address = "::ffff:192.0.2.9";
  EXPECT_EQ(of("/").status, 403);
  address = "198.51.100.1";
  EXPECT_EQ(of("/").status, 0);
  rules.access.allow = {"2001:db8::/32", "192.0.2.7"};
  EXPECT_EQ(of("/").status, 403);
  address = "2001:db8::5";
  EXPECT_EQ(of("/").status, 0);
  address = "192.0.2.7";
  EXPECT_EQ(of("/").status, 403) << "deny wins";
}

TEST_F(Decide, AnswersMaintenanceToAllButTheExempt) {
  rules.maintenance.enabled = true;
  rules.maintenance.page = "page";
  rules.maintenance.retry_after = std::chrono::milliseconds(90'500);
  rules.maintenance.exempt = {"198.51.100.0/24"};
  const auto decision = of("/");
  EXPECT_EQ(decision.status, 503);
  EXPECT_EQ(decision.reason, "maintenance");
  EXPECT_EQ(decision.retry_after, 91u);
  ASSERT_NE(decision.page, nullptr);
  EXPECT_EQ(*decision.page, "<h1>soon</h1>");
  address = "198.51.100.1";
  EXPECT_EQ(of("/").status, 0);
}

TEST_F(Decide, RefusesBodiesThatSayTheyAreTooLarge) {
  rules.max_body = 10;
  const auto post = [](const char* length) {
    return std::string("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ") + length + "\r\n\r\n";
  };
  EXPECT_EQ(of(post("10")).status, 0);
  EXPECT_EQ(of(post("11")).status, 413);
  EXPECT_EQ(of(post("11")).reason, "body-too-large");
  EXPECT_EQ(of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").status, 0);
}

class Auth : public Decide {
 protected:
  Auth() { rules.auth.users = "users"; }
  Decision with(const std::string& authorization) {
    return of("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: " + authorization + "\r\n\r\n");
  }
};

TEST_F(Auth, AsksForCredentialsAndTakesTheRightOnes) {
  EXPECT_EQ(of("/").status, 401);
  EXPECT_TRUE(of("/").challenge);
  EXPECT_EQ(with("Basic YW5uOnNlY3JldA==").status, 0);
  EXPECT_EQ(with("basic   YW5uOnNlY3JldA").status, 0);
  for (const char* bad : {"Basic YW5uOndyb25n", "Basic Ym9iOnNlY3JldA==", "Basic YW5uOnNlY3JldAA=", "Bearer x", "Basic", "Basic !",
                          "Basic YW5u", "Basic YW5uOnNlY3JldA==="}) {
    EXPECT_EQ(with(bad).status, 401) << bad;
  }
  EXPECT_EQ(of("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\nAuthorization: x\r\n\r\n").status, 400);
}

TEST_F(Auth, IsOffWhereAPathSaysSo) {
  rules.auth.enabled = false;
  EXPECT_EQ(of("/").status, 0);
  EXPECT_EQ(with("Basic YW5uOnNlY3JldA==").user, "");
}

TEST_F(Auth, SaysWhoItIsOnceThePasswordWasRight) {
  EXPECT_EQ(with("Basic YW5uOnNlY3JldA==").user, "ann");
  EXPECT_EQ(with("Basic YW5uOnNlY3JldA==").user, "ann") << "remembered";
  EXPECT_EQ(with("Basic YW5uOndyb25n").user, "");
  EXPECT_EQ(of("/").user, "");
  rewrite("^/", "/elsewhere", 302);
  const auto redirected = with("Basic YW5uOnNlY3JldA==");
  EXPECT_EQ(redirected.status, 302);
  EXPECT_EQ(redirected.user, "ann");
}

std::string basic(const std::string& text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "Basic ";
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 6; have -= 6) out.push_back(kDigits[bits >> (have - 6) & 63]);
  }
  if (have != 0) out.push_back(kDigits[bits << (6 - have) & 63]);
  return out;
}
std::string guess(int number) { return basic("ann:" + std::to_string(number)); }

TEST_F(Auth, AnAddressThatGuessesIsNotLookedAtForAWhile) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(with(guess(i)).status, 401) << i;
  EXPECT_EQ(with(guess(11)).status, 429);
  EXPECT_EQ(with(guess(3)).status, 401) << "what is known costs nothing";
  EXPECT_EQ(with("Basic YW5uOnNlY3JldA==").status, 429);
  address = "198.51.100.1";
  EXPECT_EQ(with("Basic YW5uOnNlY3JldA==").status, 0);
  address = "192.0.2.7";
  EXPECT_EQ(with("Basic YW5uOnNlY3JldA==").status, 0) << "known by now";
  now += std::chrono::seconds(3);
  EXPECT_EQ(with(guess(12)).status, 401);
}

TEST_F(Auth, VerifyingCostsABoundedShareOfTheTimeInAll) {
  contents["users"].replace(contents["users"].find("rounds=1000"), 11, "rounds=20000");  // 9 ms each
  int looked_at = 0;
  for (int i = 0; i < 40; ++i) {
    address = "10.0.0." + std::to_string(i);
    const auto status = with(guess(i)).status;
    EXPECT_TRUE(status == 401 || status == 429);
    looked_at += status == 401 ? 1 : 0;
  }
  EXPECT_EQ(looked_at, 27);  // a quarter of a second
  now += std::chrono::seconds(1);
  EXPECT_EQ(with(guess(100)).status, 401);
}

}  // namespace
}  // namespace fleet::route
