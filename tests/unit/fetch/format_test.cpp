#include "format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace fleet::fetch {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

std::string tar_header(const char* magic) {
  std::string block(512, '\0');
  block.replace(0, 5, "a/b/c");
  block.replace(257, std::char_traits<char>::length(magic), magic);
  unsigned sum = 8 * ' ';
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(&block[148], 8, "%06o", sum);
  return block;
}

TEST(Format, IsToldByTheFirstBytes) {
  EXPECT_EQ(detect_format("\x1f\x8b\x08\0\0"s), Format::tar_gz);
  EXPECT_EQ(detect_format("\xfd"
                          "7zXZ\0"s),
            Format::tar_xz);
  EXPECT_EQ(detect_format("\x28\xb5\x2f\xfd...."s), Format::tar_zst);
  EXPECT_EQ(detect_format("BZh91AY"), Format::tar_bz2);
  EXPECT_EQ(detect_format("PK\3\4...."), Format::zip);
  EXPECT_EQ(detect_format("\x7f"
                          "ELF\2\1"),
            Format::executable);
  EXPECT_EQ(detect_format("#!/bin/sh\n"), Format::executable);
}

TEST(Format, KnowsTarWithAndWithoutMagicByItsChecksum) {
  EXPECT_EQ(detect_format(tar_header("ustar")), Format::tar);
  EXPECT_EQ(detect_format(tar_header("")), Format::tar);
  auto damaged = tar_header("ustar");
  damaged[3] ^= 1;
  EXPECT_FALSE(detect_format(damaged));
  EXPECT_FALSE(detect_format(tar_header("ustar").substr(0, 511)));
  EXPECT_FALSE(detect_format(std::string(512, '\0')));
}

TEST(Format, SaysThatAnHtmlPageIsNoArchive) {
  for (const char* page :
       {"<!DOCTYPE html><p>", "<!doctype HTML>", "\xef\xbb\xbf\r\n <html lang=en>", "<HEAD>", "<body>"}) {
    const auto format = detect_format(page);
    ASSERT_FALSE(format) << page;
    EXPECT_THAT(format.error().text, HasSubstr("HTML page where an archive was expected"));
  }
}

TEST(Format, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(detect_format("").error().text, HasSubstr("empty"));
  for (const char* other :
       {"hello", "{\"error\":1}", "7z\xbc\xaf\x27\x1c", "Rar!", "!<arch>\ndebian", "\x1f\x8b", "<htm"}) {
    EXPECT_THAT(detect_format(other).error().text, HasSubstr("unknown format")) << other;
  }
}

TEST(Format, KeepsAZipWholeThatIsAJavaArchive) {
  EXPECT_EQ(zip_kind("shop.zip", false, false), Format::zip);
  EXPECT_EQ(zip_kind("shop.war", false, false), Format::war);
  EXPECT_EQ(zip_kind("SHOP.JAR", false, false), Format::jar);
  EXPECT_EQ(zip_kind("download", true, false), Format::jar);
  EXPECT_EQ(zip_kind("download", true, true), Format::war);
  EXPECT_EQ(zip_kind(".war", false, false), Format::zip);
}

}  // namespace
}  // namespace fleet::fetch
