#include "text.hpp"

#include <gtest/gtest.h>

namespace fleet::ctl {
namespace {

TEST(Text, GroupsDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(12345), "12,345");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(count(1, "request"), "1 request");
  EXPECT_EQ(count(12345, "request"), "12,345 requests");
}

TEST(Text, SaysDurationsInTheUnitsThatMatter) {
  const std::pair<std::int64_t, const char*> expected[] = {
      {-5, "0 ms"},           {0, "0 ms"},      {412, "412 ms"},        {1234, "1.2 s"},  {12345, "12 s"},
      {59999, "60 s"},        {60000, "1 min"}, {200000, "3 min 20 s"}, {3600000, "1 h"}, {18720000, "5 h 12 min"},
      {273600000, "3 d 4 h"},
  };
  for (const auto& [ms, text] : expected) EXPECT_EQ(duration(milliseconds(ms)), text);
}

TEST(Text, SaysBytesInDecimalUnits) {
  EXPECT_EQ(byte_count(999), "999 B");
  EXPECT_EQ(byte_count(1000), "1.0 kB");
  EXPECT_EQ(byte_count(12'400'000), "12 MB");
  EXPECT_EQ(byte_count(999'999), "1.0 MB");
  EXPECT_EQ(byte_count(5'000'000'000'000'000), "5000 TB");
}

TEST(Text, MakesForeignTextHarmlessToATerminal) {
  EXPECT_EQ(printable("plain text, ümläut ✓"), "plain text, ümläut ✓");
  EXPECT_EQ(printable("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(printable("a\rb\nc\td\x7f"), "a\\x0db\\x0ac  d\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");
}

TEST(Text, EncodesWhatGoesIntoAUrl) {
  EXPECT_EQ(percent_encoded("shop-2"), "shop-2");
  EXPECT_EQ(percent_encoded("a/b?c=d&e f"), "a%2Fb%3Fc%3Dd%26e%20f");
}

TEST(Text, ReadsTimes) {
  EXPECT_EQ(parse_time("1970-01-02T00:00:01.500Z"), milliseconds(86401500));
  for (const char* wrong : {"", "1970-01-02", "1970-13-02T00:00:01.500Z", "1970-01-02T00:00:01.500Zx"}) {
    EXPECT_EQ(parse_time(wrong), std::nullopt) << wrong;
  }
}

TEST(Text, AlignsTablesByWhatIsSeen) {
  EXPECT_EQ(
      table({{"NAME", "N"}, {Cell("größe", Colour::green), Cell(std::uint64_t{5})}, {"b", Cell(std::uint64_t{12345})}},
            false),
      "NAME        N\n"
      "größe       5\n"
      "b      12,345\n");
}

TEST(Text, ColoursCellsWithoutMovingColumns) {
  EXPECT_EQ(table({{"A", "B"}, {Cell("x", Colour::red), "y"}}, true),
            "\x1b[2mA\x1b[0m  \x1b[2mB\x1b[0m\n\x1b[31mx\x1b[0m  y\n");
}

TEST(Text, DrawsABar) {
  EXPECT_EQ(bar(5, 10, 4, false), "##..");
  EXPECT_EQ(bar(11, 10, 4, false), "####");
  EXPECT_EQ(bar(5, 0, 4, false), "....");
  EXPECT_EQ(bar(1, 2, 2, true), "█░");
}

}  // namespace
}  // namespace fleet::ctl
