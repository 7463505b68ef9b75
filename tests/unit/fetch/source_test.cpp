#include "source.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "text.hpp"

namespace fleet::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::string_literals;

TEST(Source, TakesAbsolutePathsAndFileUrls) {
  for (const char* url : {"/srv/builds/shop 1.tgz", "file:///srv/builds/shop%201.tgz"}) {
    const auto source = parse_source(url);
    ASSERT_TRUE(source) << url;
    EXPECT_TRUE(source->local);
    EXPECT_EQ(source->path, "/srv/builds/shop 1.tgz");
    EXPECT_EQ(source->basename, "shop 1.tgz");
  }
}

TEST(Source, ShowsNoCredentialsAndNoQuery) {
  const auto source = parse_source("https://bot:s3cret@ci.example:8443/b/shop.tgz?token=t0ken#frag");
  ASSERT_TRUE(source);
  EXPECT_EQ(source->shown, "https://ci.example:8443/b/shop.tgz");
  EXPECT_EQ(source->url, "https://ci.example:8443/b/shop.tgz?token=t0ken");
  EXPECT_EQ(source->user, "bot");
  EXPECT_EQ(source->password, "s3cret");
  EXPECT_EQ(source->origin, "https://ci.example:8443");
  EXPECT_EQ(source->basename, "shop.tgz");
}

TEST(Source, RefusesOtherSchemesAndWhatIsNoUrl) {
  for (const std::string& url :
       {"ftp://x/y"s, "scp://x/y"s, "gopher://x"s, "data://x"s, "shop.tgz"s, "./shop.tgz"s, ""s, "http://"s,
        "https://a b/"s, "http://x/\0y"s, "file://other.example/x"s, "/a\0b"s, "file:///a%00b"s, "http://x:99999/"s}) {
    EXPECT_FALSE(parse_source(url)) << url;
  }
  EXPECT_FALSE(parse_source("https://x/" + std::string(9000, 'a')));
}

TEST(Source, NeverRepeatsASecretOfAMalformedUrl) {
  const auto source = parse_source("https://bot:s3cret@ci example/x");
  ASSERT_FALSE(source);
  EXPECT_THAT(source.error().text, Not(HasSubstr("s3cret")));
}

TEST(Source, NamesAFileOnlyByANameThatIsSafe) {
  EXPECT_EQ(parse_source("http://ci/")->basename, "artifact");
  EXPECT_EQ(parse_source("http://ci/a/%2e%2e")->basename, "artifact");
  EXPECT_EQ(parse_source("http://ci/a/..%2fb")->basename, "b");
  EXPECT_EQ(parse_source("http://ci/a/x%0ay")->basename, "artifact");
  EXPECT_EQ(parse_source("http://ci/" + std::string(300, 'a'))->basename, "artifact");
}

TEST(Redirect, StaysWithHttpAndNeverLosesTls) {
  const auto http = *parse_source("http://ci/x.tgz"), https = *parse_source("https://ci/x.tgz");
  EXPECT_TRUE(redirected(http, "https://cdn/y"));
  EXPECT_TRUE(redirected(http, "http://cdn/y"));
  EXPECT_TRUE(redirected(https, "https://cdn/y"));
  EXPECT_THAT(redirected(https, "http://cdn/y").error().text, HasSubstr("from https to http"));
  EXPECT_THAT(redirected(*redirected(http, "https://cdn/y"), "http://cdn/y").error().text, HasSubstr("https to http"));
  for (const char* to : {"file:///etc/passwd", "file:/etc/passwd", "ftp://x/y", "FILE:///etc/passwd", "data:,x"}) {
    EXPECT_FALSE(redirected(http, to)) << to;
    EXPECT_FALSE(redirected(https, to)) << to;
  }
}

TEST(Redirect, MayBeRelative) {
  const auto from = *parse_source("https://bot:pw@ci/a/b/x.tgz?t=1");
  EXPECT_EQ(redirected(from, "/etc/passwd")->url, "https://ci/etc/passwd");
  EXPECT_EQ(redirected(from, "../y")->url, "https://ci/a/y");
  EXPECT_EQ(redirected(from, "//cdn/y")->url, "https://cdn/y");
  EXPECT_EQ(redirected(from, "//cdn/y")->password, "");
  EXPECT_EQ(redirected(from, "z")->password, "pw");
}

TEST(Redirect, TakesCredentialsToTheSameOriginOnly) {
  const auto from = *parse_source("https://bot:pw@CI.example/x.tgz");
  EXPECT_EQ(redirected(from, "https://ci.example:443/y")->password, "pw");
  EXPECT_EQ(redirected(from, "https://ci.example:444/y")->password, "");
  EXPECT_EQ(redirected(from, "https://cdn.example/y")->user, "");
  EXPECT_EQ(redirected(from, "https://evil:x@cdn.example/y")->password, "");
  EXPECT_EQ(redirected(from, "https://cdn.example/y?sig=z")->basename, "x.tgz");
}

bool refused(const char* address) {
  sockaddr_in four{};
  sockaddr_in6 six{};
  four.sin_family = AF_INET;
  six.sin6_family = AF_INET6;
  if (::inet_pton(AF_INET, address, &four.sin_addr) == 1) return is_refused_address(reinterpret_cast<sockaddr*>(&four));
  EXPECT_EQ(::inet_pton(AF_INET6, address, &six.sin6_addr), 1) << address;
  return is_refused_address(reinterpret_cast<sockaddr*>(&six));
}

TEST(Address, RefusesLinkLocalAndMetadataServices) {
  for (const char* address : {"169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0",
                              "::", "224.0.0.1", "255.255.255.255", "ff02::1"}) {
    EXPECT_TRUE(refused(address)) << address;
  }
  for (const char* address :
       {"127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "93.184.216.34", "2001:db8::1", "fd00::1"}) {
    EXPECT_FALSE(refused(address)) << address;
  }
}

TEST(Text, ShowsForeignBytesHarmlessly) {
  EXPECT_EQ(printable("a\x1b[31m\n\xff"), "a\\x1b[31m\\x0a\\xff");
  EXPECT_EQ(printable("\u202etxt.exe"), "\\xe2\\x80\\xaetxt.exe");
  EXPECT_EQ(printable("café"), "café");
  EXPECT_LT(printable(std::string(10000, '\n')).size(), 250u);
  EXPECT_EQ(spelled(std::chrono::milliseconds(60000)), "60 s");
  EXPECT_EQ(spelled(std::chrono::milliseconds(1500)), "1500 ms");
}

}  // namespace
}  // namespace fleet::fetch
