#include "route/template.hpp"

#include <gtest/gtest.h>

namespace fleet::route {
namespace {

using Use = Template::Use;

// What a request for `path` becomes.
std::string made(const std::string& pattern, std::string_view to, Use use, std::string_view path) {
  const auto match = Pattern::compile(pattern);
  if (!match) return match.error().text;
  const auto text = Template::parse(to, use, match->groups());
  if (!text) return text.error().text;
  Pattern::Groups groups;
  if (!match->matches(path, groups)) return "no match";
  Values values{"shop.example", "https", "/raw?q=1", "192.0.2.7", "shop", &groups};
  std::string out;
  text->expand(out, values);
  return out;
}

TEST(Pattern, SearchesInBytesAndALineFeedIsOneOfThem) {
  EXPECT_EQ(made("^/(.*)$", "/new/$1", Use::path, "/a\nb"), "/new/a%0Ab");
  EXPECT_EQ(made("/b$", "/$0", Use::path, "/a/b"), "/b");
  EXPECT_EQ(made("(?i)^/SHOP", "/x", Use::path, "/shop"), "/x");
  EXPECT_EQ(made("^/(a)?b", "/x$1", Use::path, "/b"), "/x");
}

TEST(Pattern, RefusesWhatIsNoneAndWhatCouldNotBeLinear) {
  for (const char* bad : {"(", "[", "a{2000}", "(a)\\1", "(?=a)", "*", "", "(((((((a{1000}){1000}){1000}){1000}){1000}){1000})"}) {
    EXPECT_FALSE(Pattern::compile(bad)) << bad;
  }
  EXPECT_FALSE(Pattern::compile(std::string(1001, 'a')));
  EXPECT_FALSE(Pattern::compile("(1)(2)(3)(4)(5)(6)(7)(8)(9)(10)"));
  EXPECT_TRUE(Pattern::compile("(1)(2)(3)(4)(5)(6)(7)(8)(9)(?:10)"));
}

TEST(Pattern, TakesLinearTimeOnTextsThatBreakOthers) {
  const auto pattern = Pattern::compile("^(([a-z])+.)+[A-Z]([a-z])+$");
  ASSERT_TRUE(pattern);
  Pattern::Groups groups;
  EXPECT_FALSE(pattern->matches("/" + std::string(16000, 'a'), groups));
}

TEST(Template, FillsInVariables) {
  EXPECT_EQ(made("^/(\\w+)/(\\w+)", "/$2/${1}0?x=$1", Use::path, "/a/b"), "/b/a0?x=a");
  EXPECT_EQ(made("^", "https://$host$uri", Use::location, "/"), "https://shop.example/raw?q=1");
  EXPECT_EQ(made("^", "$scheme://$host:8443/x", Use::location, "/"), "https://shop.example:8443/x");
  EXPECT_EQ(made("^", "/$$x", Use::path, "/"), "/$x");
  const auto value = Template::parse("for $client of $app", Use::field, -1);
  ASSERT_TRUE(value);
  std::string out;
  value->expand(out, {"h", "http", "/", "192.0.2.7", "shop"});
  EXPECT_EQ(out, "for 192.0.2.7 of shop");
}

TEST(Template, EncodesWhatWasDecoded) {
  EXPECT_EQ(made("^/(.*)$", "/$1", Use::path, "/a b\r\nX: y"), "/a%20b%0D%0AX:%20y");
  EXPECT_EQ(made("^/(.*)$", "/find?q=$1", Use::location, "/a&b=c?#"), "/find?q=a%26b%3Dc%3F%23");
  EXPECT_EQ(made("^/(.*)$", "/$1", Use::path, "/a?b#c%2e"), "/a%3Fb%23c%252e");
}

TEST(Template, NeverMakesAnotherHostOfAPath) {
  EXPECT_EQ(made("^/old(.*)$", "/$1", Use::location, "/old/evil.example"), "/evil.example");
  EXPECT_EQ(made("^/old(.*)$", "$uri", Use::location, "/old"), "/raw?q=1");
  EXPECT_EQ(made("^/old(.*)$", "/$1", Use::location, "/old\\evil.example"), "/%5Cevil.example");
  EXPECT_EQ(made("^/old(.*)$", "/$1$1", Use::path, "/old/"), "/");
  const auto uri = Template::parse("$uri", Use::location, 0);
  ASSERT_TRUE(uri);
  for (const char* raw : {"//evil.example", "/\\evil.example", "///evil.example", "/\\/evil.example"}) {
    std::string out;
    uri->expand(out, {"h", "http", raw, "c", "a"});
    EXPECT_EQ(out, "/evil.example") << raw;
  }
}

TEST(Template, RefusesAHostThatARequestCouldLengthen) {
  for (const char* bad : {"https://example.com$1", "https://$1", "https://$1.example.com/", "https://$host$1", "https://$host.x/",
                          "https://$host:80$1", "https://", "https:///x", "//example.com", "/\\x", "$1", "$host", "x", "",
                          "ftp://example.com/", "javascript:x", "https://user@example.com/", "$scheme:/x", "$scheme$host",
                          "https://example.com:x/", "https://$host@evil/"}) {
    EXPECT_FALSE(Template::parse(bad, Use::location, 1)) << bad;
  }
  for (const char* good : {"https://example.com/$1", "https://example.com", "https://example.com?x=$1", "https://$host/",
                           "https://$host", "https://example.com:8443$uri", "http://[::1]:80/x", "/x#part", "$uri",
                           "https://$host?x", "https://$host:8443$uri"}) {
    EXPECT_TRUE(Template::parse(good, Use::location, 1)) << good;
  }
}

TEST(Template, RefusesWhatCannotStandThere) {
  for (const char* bad : {"/a b", "/a\r\nb", "/\"", "/#x", "/$2", "/$", "/$x", "/${1", "/${}", "x", "/\x01", "/\xc3\xa9"}) {
    EXPECT_FALSE(Template::parse(bad, Use::path, 1)) << bad;
  }
  for (const char* bad : {"a\r\nb", "a\nb", "\x7f", "$1", "$evil"}) {
    EXPECT_FALSE(Template::parse(bad, Use::field, -1)) << bad;
  }
}

TEST(Template, AQuestionMarkAtTheEndDropsTheQuery) {
  EXPECT_TRUE(Template::parse("/x?", Use::path, 0)->drops_query());
  EXPECT_FALSE(Template::parse("/x?y", Use::path, 0)->drops_query());
  EXPECT_TRUE(Template::parse("/x#y", Use::location, 0)->drops_query());
}

}  // namespace
}  // namespace fleet::route
