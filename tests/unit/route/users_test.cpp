#include "route/users.hpp"

#include <gmock/gmock.h>

#include "route/logins.hpp"

namespace fleet::route {
namespace {

using testing::HasSubstr;

std::string problem(const std::string& text) {
  const auto users = Users::parse(text);
  return users ? "" : users.error().text;
}

const std::string kSha256 = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA";
const std::string kSha512 =
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
const std::string kBcrypt = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

TEST(Users, TakesTheHashesThatAreSafeAndQuickEnough) {
  EXPECT_EQ(problem("# staff\n\nann:" + kSha256 + "\r\nbob:" + kSha512 + ":comment\ncat:" + kBcrypt), "");
}

TEST(Users, NamesTheLineOfWhatItRefuses) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "names no user"},
      {"#x\n", "names no user"},
      {"ann", "line 1: not user:hash"},
      {"\n:x", "line 2: not user:hash"},
      {"a\tb\x01:x", "line 1: not user:hash"},
      {"ann:" + kSha256 + "\nann:" + kSha256, "line 2: that user is there twice"},
      {"ann:secret", "line 1: not a hash that fleet knows (make it anew: htpasswd"},
      {"ann:$apr1$x$y", "line 1: this kind of hash is guessed too fast"},
      {"ann:{SHA}x", "guessed too fast"},
      {"ann:$y$j9T$x$y", "yescrypt takes too much memory here"},
      {"ann:$2y$12$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "bcrypt of cost 12 would hold up all requests"},
      {"ann:$2y$05$abc", "not a whole bcrypt hash"},
      {"ann:$5$rounds=30000$salt$x", "30000 rounds would hold up"},
      {"ann:$5$salt$x", "not a whole SHA-crypt hash"},
      {"ann:$5$rounds=x$salt$x", "not a whole SHA-crypt hash"},
  };
  for (const auto& [text, why] : cases) EXPECT_THAT(problem(text), HasSubstr(why)) << text;
}

TEST(Logins, VerifyEveryKindOfHash) {
  const auto users = Users::parse("a:" + kSha256 + "\nb:" + kSha512 + "\nc:" + kBcrypt);
  ASSERT_TRUE(users);
  Logins logins("secret");
  const auto from = *parse_address("192.0.2.1");
  for (const char* right : {"Basic YTpzZWNyZXQ=", "Basic YjpzZWNyZXQ=", "Basic YzpzZWNyZXQ="}) {
    EXPECT_EQ(logins.check(*users, right, from, {}), Login::accepted) << right;
  }
  for (const char* wrong : {"Basic YTpTZWNyZXQ=", "Basic YjpTZWNyZXQ=", "Basic YzpTZWNyZXQ="}) {
    EXPECT_EQ(logins.check(*users, wrong, from, {}), Login::refused) << wrong;
  }
}

TEST(Logins, ForgetAVerdictWithTheHashThatItWasAbout) {
  Logins logins("secret");
  const auto from = *parse_address("192.0.2.1");
  const auto before = Users::parse("a:" + kSha256), after = Users::parse("a:" + kSha512);
  const auto unknown = Users::parse("b:" + kSha256);
  ASSERT_TRUE(before && after && unknown);
  EXPECT_EQ(logins.check(*before, "Basic YTpzZWNyZXQ=", from, {}), Login::accepted);
  EXPECT_EQ(logins.check(*unknown, "Basic YTpzZWNyZXQ=", from, {}), Login::refused);
  EXPECT_EQ(logins.check(*after, "Basic YTpzZWNyZXQ=", from, {}), Login::accepted);
}

}  // namespace
}  // namespace fleet::route
