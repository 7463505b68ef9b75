#include "route/edits.hpp"

#include <gtest/gtest.h>

namespace fleet::route {
namespace {

struct Lines final : http::FieldSink {
  std::string text;
  void put(std::string_view name, std::string_view value) override { text.append(name).append(": ").append(value) += '\n'; }
};

// What goes out of these fields.
template <class Edits>
std::string edited(const Edits& edits, std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  Lines out;
  for (const auto& [name, value] : fields) {
    if (!edits.take({name, value, http::field_id(name), false}, out)) out.put(name, value);
  }
  edits.add(out);
  return out.text;
}

const std::map<std::string, std::string> kNoFiles;

std::shared_ptr<const CompiledRules> compiled(const Rules& rules) {
  Files files(kNoFiles);
  auto made = compile(rules, files);
  EXPECT_TRUE(made) << made.error().text;
  return made ? *made : nullptr;
}

const Values kHttps{"shop.example", "https", "/a?b", "192.0.2.7", "shop"};
const Values kHttp{"shop.example", "http", "/a?b", "192.0.2.7", "shop"};

TEST(RequestEdits, RemoveSetAndAdd) {
  Rules rules;
  rules.request_headers = {{{"X-One", "1"}, {"Host", "inner.$host"}}, {{"X-Two", "$client $uri"}}, {"Cookie"}};
  const auto made = compiled(rules);
  ASSERT_TRUE(RequestEdits::needed(*made, false));
  const RequestEdits edits(*made, kHttps, false);
  EXPECT_EQ(edits.host(), "inner.shop.example");
  EXPECT_EQ(edited(edits, {{"x-one", "0"}, {"X-Two", "0"}, {"cookie", "x"}, {"Accept", "*/*"}}),
            "X-Two: 0\nAccept: */*\nX-One: 1\nX-Two: 192.0.2.7 /a?b\n");
}

TEST(RequestEdits, TellTheApplicationWhatWasStripped) {
  Rules rules;
  rules.path = "/api";
  const auto made = compiled(rules);
  EXPECT_FALSE(RequestEdits::needed(*made, false));
  EXPECT_EQ(edited(RequestEdits(*made, kHttps, true), {}), "X-Forwarded-Prefix: /api\n");
}

TEST(ResponseEdits, SayHstsOverHttpsOnlyAndOnce) {
  Rules rules;
  rules.hsts = {std::chrono::hours(24), true, true};
  const auto made = compiled(rules);
  EXPECT_FALSE(ResponseEdits::needed(*made, false));
  ASSERT_TRUE(ResponseEdits::needed(*made, true));
  EXPECT_EQ(edited(ResponseEdits(*made, kHttps), {{"strict-transport-security", "max-age=1"}}),
            "Strict-Transport-Security: max-age=86400; includeSubDomains; preload\n");
  EXPECT_EQ(edited(ResponseEdits(*made, kHttp), {{"strict-transport-security", "max-age=1"}}),
            "strict-transport-security: max-age=1\n");
}

TEST(ResponseEdits, P10MapCookies) {
  CookieRules rules;
  rules.secure = true;
  rules.domain = {{"inner.local", "shop.example"}, {"gone.local", ""}};
  rules.path = {{"/shop", "/"}, {"/shop/deep", "/d"}, {"/x", ""}};
  const std::pair<const char*, const char*> cases[] = {
      {"a=b", "a=b; Secure"},
      {"a=b; Secure; HttpOnly", "a=b; Secure; HttpOnly"},
      {"a=b; domain=.INNER.local; Path=/shop", "a=b; Domain=shop.example; Path=/; Secure"},
      {"a=b; Domain=gone.local; path=/shop/x", "a=b; Path=/x; Secure"},
      {"a=b; Domain=other; Path=/shopping", "a=b; Domain=other; Path=/shopping; Secure"},
      {"a=b; Path=/shop/deep/y; Max-Age=1", "a=b; Path=/d/y; Max-Age=1; Secure"},
      {"a=b;Path=/x/y", "a=b; Secure"},
      {"a=\"x; y\"", "a=\"x; y\"; Secure"},
      {"", "; Secure"},
  };
  for (const auto& [cookie, mapped] : cases) EXPECT_EQ(mapped_cookie(cookie, rules, true), mapped);
  EXPECT_EQ(mapped_cookie("a=b; Path=/x/y;;", rules, false), "a=b;;");
}

TEST(Rules, RefuseFieldsThatFleetNeedsForItself) {
  for (const char* bad : {"Connection", "content-length", "Transfer-Encoding", "X-Forwarded-For", "X-Fleet-Error", "Forwarded", "Te",
                          "Upgrade", "X_Y", "", "a b", "a:b", "a\r\nb", "Proxy"}) {
    EXPECT_NE(refused_field(bad, true), "") << bad;
    EXPECT_NE(refused_field(bad, false), "") << bad;
  }
  EXPECT_EQ(refused_field("Host", true), "");
  EXPECT_NE(refused_field("Host", false), "");
  EXPECT_EQ(refused_field("X-Frame-Options", false), "");
}

TEST(Rules, AreRefusedWhole) {
  Files files(kNoFiles);
  const auto problem = [&](const Rules& rules) {
    const auto made = compile(rules, files);
    return made ? std::string() : made.error().text;
  };
  Rules rules;
  rules.rewrites = {{"(", "/", 0}};
  EXPECT_EQ(problem(rules), "not a pattern (RE2): missing ): (");
  rules.rewrites = {{"x", "https://evil$0", 302}};
  EXPECT_NE(problem(rules).find("could lengthen the host"), std::string::npos);
  rules = {};
  rules.response_headers.set = {{"X", "a\r\nb: c"}};
  EXPECT_NE(problem(rules).find("X: has a byte"), std::string::npos);
  rules = {};
  rules.errors.pages = {{"404", "missing"}};
  EXPECT_EQ(problem(rules), "missing: did not come with the rules");
}

TEST(Rules, FindThePageOfAStatusBeforeThatOfItsClass) {
  const std::map<std::string, std::string> contents{{"a", "A"}, {"b", "B"}};
  Files files(contents);
  Rules rules;
  rules.errors.pages = {{"404", "a"}, {"4xx", "b"}};
  const auto made = compile(rules, files);
  ASSERT_TRUE(made);
  EXPECT_EQ(*(*made)->page(404), "A");
  EXPECT_EQ(*(*made)->page(403), "B");
  EXPECT_EQ((*made)->page(502), nullptr);
}

}  // namespace
}  // namespace fleet::route
