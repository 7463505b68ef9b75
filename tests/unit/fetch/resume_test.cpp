#include "resume.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace fleet::fetch {
namespace {

Head head(std::initializer_list<const char*> lines) {
  Head out;
  for (const char* line : lines) out.take(line);
  return out;
}

TEST(Head, TakesStatusAndFieldsWhateverTheirCase) {
  const auto got = head({"HTTP/1.1 206 Partial Content\r\n", "ETag: \"v1\"\r\n", "CONTENT-RANGE:  bytes 1-2/3 \r\n"});
  EXPECT_EQ(got.status, 206);
  EXPECT_EQ(got.etag, "\"v1\"");
  EXPECT_EQ(got.content_range, "bytes 1-2/3");
  EXPECT_EQ(head({"HTTP/2 404 \r\n"}).status, 404);
}

TEST(Head, BeginsAnewWithEachStatusLine) {
  const auto got = head({"HTTP/1.1 100 Continue\r\n", "ETag: \"old\"\r\n", "HTTP/1.1 200 OK\r\n"});
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.etag, "");
}

TEST(Validator, IsAStrongETagOrAnOldEnoughDate) {
  EXPECT_EQ(validator_of(head({"ETag: \"v1\""})), "\"v1\"");
  EXPECT_EQ(validator_of(head({"ETag: W/\"v1\""})), "");
  EXPECT_EQ(validator_of(head({"ETag: v1"})), "");
  EXPECT_EQ(validator_of({}), "");
  const char* changed = "Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT";
  EXPECT_EQ(validator_of(head({changed, "Date: Sun, 22 Nov 2026 10:00:01 GMT"})), "Sun, 22 Nov 2026 10:00:00 GMT");
  EXPECT_EQ(validator_of(head({changed, "Date: Sun, 22 Nov 2026 10:00:00 GMT"})), "");
  EXPECT_EQ(validator_of(head({changed})), "");
  EXPECT_EQ(validator_of(head({changed, "ETag: W/\"v\"", "Date: Sun, 22 Nov 2026 11:00:00 GMT"})), "");
}

TEST(ContentRange, IsParsedStrictly) {
  const auto range = parse_content_range("bytes 100-199/200");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 100u);
  EXPECT_EQ(range->total, 200u);
  EXPECT_FALSE(parse_content_range("bytes 5-9/*")->total);
  for (const char* bad : {"", "bytes", "bytes 1-2", "bytes 2-1/3", "bytes 0-3/3", "bytes */3", "bytes -1-2/3",
                          "items 0-1/2", "bytes 0-1/x", "bytes 99999999999999999999-1/2", "bytes 0-1/2 "}) {
    EXPECT_FALSE(parse_content_range(bad)) << bad;
  }
}

TEST(StatusText, UsesOurOwnWords) {
  EXPECT_EQ(status_text(404), "404 Not Found");
  EXPECT_EQ(status_text(418), "418");
}

}  // namespace
}  // namespace fleet::fetch
