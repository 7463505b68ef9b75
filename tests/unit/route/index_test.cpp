#include "route/index.hpp"

#include <gtest/gtest.h>

namespace fleet::route {
namespace {

Route route(std::vector<std::string> hosts, std::string path, std::vector<std::string> rules = {}) {
  Route made;
  made.hosts = std::move(hosts);
  made.path = std::move(path);
  for (auto& prefix : rules) made.rules.emplace_back().path = std::move(prefix);
  return made;
}

std::string found(const Index& index, std::string_view host, std::string_view path) {
  const auto at = index.match(host, path);
  if (!at) return "none";
  return std::to_string(at->route) + (at->rules == Index::kNone ? "" : "." + std::to_string(at->rules));
}

TEST(Index, TakesTheLongestPathOfTheExactHostElseOfAnyHost) {
  const Index index(
      {route({"a"}, "/"), route({"a"}, "/api"), route({"a", "b"}, "/api/v2/"), route({}, "/"), route({"c"}, "/only")});
  EXPECT_EQ(found(index, "a", "/x"), "0");
  EXPECT_EQ(found(index, "a", "/api"), "1");
  EXPECT_EQ(found(index, "a", "/api/"), "1");
  EXPECT_EQ(found(index, "a", "/apix"), "0");
  EXPECT_EQ(found(index, "a", "/api/v2"), "2");
  EXPECT_EQ(found(index, "b", "/api/v2/x"), "2");
  EXPECT_EQ(found(index, "b", "/x"), "3");
  EXPECT_EQ(found(index, "c", "/x"), "3");
  EXPECT_EQ(found(index, "nobody", "/only"), "3");
  EXPECT_EQ(found(Index({route({"a"}, "/api")}), "a", "/"), "none");
  EXPECT_EQ(found(Index(), "a", "/"), "none");
}

TEST(Index, TakesTheWildcardWithTheLongestSuffixForOneLabelOrMore) {
  const Index index({route({"*.example.com"}, "/"), route({"*.shop.example.com"}, "/"), route({"www.example.com"}, "/"),
                     route({"*.org", "example.com"}, "/")});
  EXPECT_EQ(found(index, "a.example.com", "/"), "0");
  EXPECT_EQ(found(index, "a.b.c.example.com", "/"), "0");
  EXPECT_EQ(found(index, "a.shop.example.com", "/"), "1");
  EXPECT_EQ(found(index, "x.a.shop.example.com", "/"), "1");
  EXPECT_EQ(found(index, "shop.example.com", "/"), "0");
  EXPECT_EQ(found(index, "www.example.com", "/"), "2");
  EXPECT_EQ(found(index, "example.com", "/"), "3");
  EXPECT_EQ(found(index, "a.org", "/"), "3");
  for (const char* other : {"org", "example.net", "xexample.com", ".example.com", "com", "", "a.example.com.evil"}) {
    EXPECT_EQ(found(index, other, "/"), "none") << other;
  }
  EXPECT_EQ(index.match("a.b.example.com", "/")->host, "*.example.com");
}

TEST(Index, AsksTheNextLessExactHostWhereNoPathFits) {
  const Index index({route({"a.x"}, "/only"), route({"*.x"}, "/wild"), route({}, "/")});
  EXPECT_EQ(found(index, "a.x", "/only/x"), "0");
  EXPECT_EQ(found(index, "a.x", "/wild"), "1");
  EXPECT_EQ(found(index, "a.x", "/x"), "2");
}

TEST(Index, FindsTheRulesOfTheLongestPathWithinAnApp) {
  const Index index({route({"a"}, "/", {"/", "/api", "/api/v2"}), route({"b"}, "/", {"/admin"})});
  EXPECT_EQ(found(index, "a", "/x"), "0.0");
  EXPECT_EQ(found(index, "a", "/api/x"), "0.1");
  EXPECT_EQ(found(index, "a", "/api/v2"), "0.2");
  EXPECT_EQ(found(index, "b", "/admin"), "1.0");
  EXPECT_EQ(found(index, "b", "/x"), "1");
}

TEST(Index, AHostOfManyLabelsCostsNoMoreThanTheLongestWildcard) {
  const Index index({route({"*.example.com"}, "/")});
  std::string host;
  for (int i = 0; i < 120; ++i) host += "a.";
  EXPECT_EQ(found(index, host + "example.com", "/"), "0");
  EXPECT_EQ(found(index, host + "example.net", "/"), "none");
}

}  // namespace
}  // namespace fleet::route
