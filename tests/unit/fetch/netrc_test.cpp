#include "netrc.hpp"

#include <gtest/gtest.h>

#include "source.hpp"

namespace fleet::fetch {
namespace {

constexpr std::string_view kFile = R"(# of the build servers
machine ci.example login bot password s3cret
machine two.example
  login "a b" password "q\"uote"
macdef init
  machine three.example login in password macro

machine three.example password only
default login anybody password guest
machine late.example login late password late
)";

std::string login(std::string_view host, std::string_view file = kFile) {
  const auto found = login_for(file, host);
  return found ? found->user + ":" + found->password : "none";
}

TEST(Netrc, IsLookedUpByHost) {
  EXPECT_EQ(login("ci.example"), "bot:s3cret");
  EXPECT_EQ(login("CI.Example"), "bot:s3cret");
  EXPECT_EQ(login("two.example"), "a b:q\"uote");
  EXPECT_EQ(login("three.example"), ":only") << "and not what a macro says";
}

TEST(Netrc, HasADefaultForAllThatComesAfterIt) {
  EXPECT_EQ(login("elsewhere.example"), "anybody:guest");
  EXPECT_EQ(login("late.example"), "anybody:guest");
}

TEST(Netrc, SaysNothingWhereItHasNothingToSay) {
  EXPECT_EQ(login("ci.example", ""), "none");
  EXPECT_EQ(login("ci.example", "machine other.example login a password b"), "none");
  EXPECT_EQ(login("ci.example", "machine"), "none");
  EXPECT_EQ(login("ci.example", "machine ci.example login"), ":");
  EXPECT_EQ(login("ci.example", "machine ci.example password \"open"), ":open");
}

TEST(Netrc, IsForUrlsThatSayNobodyThemselves) {
  Credentials credentials;
  credentials.netrc = kFile;
  const auto source = parse_source("https://ci.example/x.tgz", credentials);
  ASSERT_TRUE(source);
  EXPECT_EQ(source->user, "bot");
  EXPECT_EQ(source->password, "s3cret");
  EXPECT_EQ(source->shown.find("s3cret"), std::string::npos);
  EXPECT_EQ(parse_source("https://me:mine@ci.example/x.tgz", credentials)->user, "me");
  EXPECT_EQ(parse_source("https://ci.example/x.tgz")->user, "");
}

}  // namespace
}  // namespace fleet::fetch
