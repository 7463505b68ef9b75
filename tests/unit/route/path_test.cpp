// PROXY-RULES P11: what of a path rules see.
#include "route/path.hpp"

#include <gtest/gtest.h>

namespace fleet::route {
namespace {

std::string seen(std::string_view target, EncodedSlash slash = EncodedSlash::separator) {
  std::string scratch;
  const auto path = matching_path(target, slash, scratch);
  return path ? std::string(path->text) : "refused";
}

TEST(Path, P11IsDecodedOnce) {
  EXPECT_EQ(seen("/a%62c?d=%20"), "/abc");
  EXPECT_EQ(seen("/%252e"), "/%2e");
  EXPECT_EQ(seen("/a%0d%0ab"), "/a\r\nb");
  EXPECT_EQ(seen("/%C3%A9"), "/\xc3\xa9");
  EXPECT_EQ(seen("*"), "/");
  EXPECT_EQ(seen("/?x"), "/");
}

TEST(Path, P11HasNoDotsAndNoEmptySegments) {
  const std::pair<const char*, const char*> cases[] = {
      {"/a/../b", "/b"},        {"/a/./b", "/a/b"},      {"/a//b", "/a/b"},         {"//a", "/a"},
      {"/a/b/..", "/a/"},       {"/a/.", "/a/"},         {"/a/..", "/"},            {"/a/b/../../c/", "/c/"},
      {"/.", "/"},              {"//", "/"},             {"/a%2f..%2fb", "/b"},     {"/a/%2e%2e/b", "/b"},
      {"/a/..;x=1/b", "/b"},    {"/a/.;/b", "/a/b"},     {"/.well-known/x", "/.well-known/x"},
      {"/...", "/..."},         {"/a/..b", "/a/..b"},    {"/a;b/c", "/a;b/c"},      {"/a/", "/a/"},
      {"/public/..;/admin", "/admin"},                   {"/public/%2e%2e;/admin", "/admin"},
  };
  for (const auto& [target, path] : cases) EXPECT_EQ(seen(target), path) << target;
}

TEST(Path, P11RefusesWhatMeansNothingOrClimbsAboveTheRoot) {
  for (const char* bad : {"/%00", "/a%0", "/%zz", "/%", "/..", "/../x", "/a/../../x", "/%2e%2e/x", "/a/..%2f../x",
                          "/..;/x", "/a/..;/..;x/b"}) {
    EXPECT_EQ(seen(bad), "refused") << bad;
  }
}

TEST(Path, P11SaysWhatWasResolvedAndDecoded) {
  std::string scratch;
  EXPECT_FALSE(matching_path("/%61", EncodedSlash::separator, scratch)->resegmented);
  EXPECT_TRUE(matching_path("/a//b", EncodedSlash::separator, scratch)->resegmented);
  EXPECT_TRUE(matching_path("/a%2Fb", EncodedSlash::separator, scratch)->encoded_slash);
}

TEST(Path, P11KeepsAnEncodedSlashWhereItIsData) {
  EXPECT_EQ(seen("/a%2fb%25c", EncodedSlash::data), "/a%2Fb%25c");
  EXPECT_EQ(seen("/a%2f..%2fb", EncodedSlash::data), "/a%2F..%2Fb");
  std::string out;
  append_encoded(out, "/a%2Fb%25c d", UriPart::path, EncodedSlash::data);
  EXPECT_EQ(out, "/a%2Fb%25c%20d");
}

TEST(Path, EncodesAllThatWouldMeanSomethingElse) {
  std::string path, query;
  append_encoded(path, "/a b%?#\r\n\\\"\xc3", UriPart::path, EncodedSlash::separator);
  EXPECT_EQ(path, "/a%20b%25%3F%23%0D%0A%5C%22%C3");
  append_encoded(query, "a&b=c+d;e", UriPart::query, EncodedSlash::separator);
  EXPECT_EQ(query, "a%26b%3Dc%2Bd%3Be");
}

TEST(Host, IsMatchedWithoutCasePortOrFinalDot) {
  std::string scratch;
  EXPECT_EQ(matching_host("Shop.Example.COM:8443", scratch), "shop.example.com");
  EXPECT_EQ(matching_host("shop.example.com.", scratch), "shop.example.com");
  EXPECT_EQ(matching_host("[::1]:80", scratch), "[::1]");
  EXPECT_EQ(matching_host("", scratch), "");
}

}  // namespace
}  // namespace fleet::route
