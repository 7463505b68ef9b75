#include <gtest/gtest.h>

#include "core/config.hpp"

namespace fleet {
namespace {

TEST(Endpoint, IsReadAsItIsWritten) {
  for (const auto* text : {"0.0.0.0:80", "[::]:443", "127.0.0.1:65535", "[::1]:0", "[fe80::1:2]:8080"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(to_string(*endpoint), text);
  }
}

TEST(Endpoint, KeepsTheAddressWithoutBrackets) { EXPECT_EQ(parse_endpoint("[::1]:80"), (Endpoint{"::1", 80})); }

TEST(Endpoint, IsNoneInOtherTexts) {
  for (const auto* text : {"", ":", ":80", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                           "127.0.0.1:+1", "127.0.0.1: 80", "127.0.0.1:80 ", "::1:80", "[::1]", "[]:80",
                           "[127.0.0.1]:80", "[::1:80", "::1]:80", "127.0.0.1:0x50"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace fleet
