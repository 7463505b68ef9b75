#include "config/command.hpp"

#include <gmock/gmock.h>

#include <csignal>

#include "config/signals.hpp"

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
  EXPECT_THAT(expand("{prt}", kValues).error().text, HasSubstr("unknown placeholder {prt} (known: {port} {release_dir};"));
  EXPECT_THAT(expand("{}", kValues).error().text, HasSubstr("unknown placeholder {}"));
  EXPECT_THAT(expand("x{port", kValues).error().text, HasSubstr("not closed"));
  EXPECT_EQ(expand("x{", kValues).error().kind, ErrorKind::usage);
}

TEST(Signals, HaveNumbersByEitherName) {
  EXPECT_EQ(signal_number("SIGTERM"), SIGTERM);
  EXPECT_EQ(signal_number("QUIT"), SIGQUIT);
  EXPECT_EQ(signal_number("SIGKILL"), std::nullopt);
  EXPECT_EQ(signal_number(""), std::nullopt);
  EXPECT_THAT(signal_names(), HasSubstr("SIGTERM SIGINT"));
}

}  // namespace
}  // namespace fleet::config
