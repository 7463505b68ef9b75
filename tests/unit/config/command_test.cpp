#include "config/command.hpp"

#include <gmock/gmock.h>

namespace fleet::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::map<std::string, std::string> kValues{{"port", "20001"}, {"release_dir", "/r {port}"}};

TEST(Command, PutsValuesForPlaceholders) {
  const auto expanded = expand_command({"./server", "--port={port}", "{port}{port}", ""}, kValues);
  ASSERT_TRUE(expanded);
  EXPECT_THAT(*expanded, ElementsAre("./server", "--port=20001", "2000120001", ""));
}

TEST(Command, DoesNotExpandWhatItPutIn) { EXPECT_EQ(*expand("{release_dir}", kValues), "/r {port}"); }

TEST(Command, TakesDoubledBracesForOne) {
  EXPECT_EQ(*expand("{{\"a\":{{}}, {port}}", kValues), "{\"a\":{}}, 20001}");
  EXPECT_EQ(*expand("{{port}", kValues), "{port}");
}

TEST(Command, RefusesUnknownPlaceholders) {
  EXPECT_THAT(expand("{prt}", kValues).error().text,
              HasSubstr("unknown placeholder {prt} (known: {port} {release_dir};"));
  EXPECT_THAT(expand("{}", kValues).error().text, HasSubstr("unknown placeholder {}"));
  EXPECT_THAT(expand("x{port", kValues).error().text, HasSubstr("not closed"));
  EXPECT_EQ(expand("x{", kValues).error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace fleet::config
