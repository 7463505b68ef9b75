#include "upstream/hash_key.hpp"

#include <gtest/gtest.h>

#include "upstream/balance.hpp"

namespace fleet::proxy {
namespace {

std::optional<std::uint64_t> key(std::string_view by, std::vector<std::pair<std::string_view, std::string_view>> fields) {
  http::FieldList list;
  for (const auto& [name, value] : fields) list.add(name, value);
  return hash_key(*parse_hash_by(by), list, "192.0.2.1");
}

TEST(HashKey, IsTheValueOfTheHeaderWhateverTheCaseOfItsName) {
  EXPECT_EQ(key("header:x-user", {{"X-Other", "a"}, {"X-User", "tom"}}), hash_of("tom"));
  EXPECT_EQ(key("header:x-user", {{"x-user", "tom"}}), hash_of("tom"));
  EXPECT_EQ(key("header:x-user", {{"X-User", ""}}), std::nullopt);
  EXPECT_EQ(key("header:x-user", {}), std::nullopt);
}

TEST(HashKey, IsTheCookieOfExactlyThisName) {
  EXPECT_EQ(key("cookie:id", {{"Cookie", "id=7"}}), hash_of("7"));
  EXPECT_EQ(key("cookie:id", {{"Cookie", "a=b;id=7 ; c=d"}}), hash_of("7"));
  EXPECT_EQ(key("cookie:id", {{"Cookie", "a=b"}, {"Cookie", "id=7"}}), hash_of("7")) << "as HTTP/2 may send them";
  EXPECT_EQ(key("cookie:id", {{"Cookie", "ID=7; xid=7; id2=7; id"}}), std::nullopt);
  EXPECT_EQ(key("cookie:id", {{"Cookie", ";;="}}), std::nullopt);
}

TEST(HashKey, IsTheAddress) { EXPECT_EQ(key("address", {}), hash_of("192.0.2.1")); }

TEST(HashKey, KnowsThreeKinds) {
  for (const auto* wrong : {"", "path", "header", "header:", "cookie:", "query:a"}) {
    EXPECT_FALSE(parse_hash_by(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace fleet::proxy
