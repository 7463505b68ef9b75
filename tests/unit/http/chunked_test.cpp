#include "http/chunked.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace fleet::http {
namespace {

struct Decoded {
  std::string body, rest;
  bool end = false;
};

// Feeds `in` by pieces of `step` bytes; nothing when it was refused.
std::optional<Decoded> decode(std::string_view in, std::size_t step = 1 << 20) {
  Decoded out;
  ChunkedDecoder decoder;
  std::string pending;
  while (!in.empty() || !pending.empty()) {
    pending += in.substr(0, step);
    in.remove_prefix(std::min(step, in.size()));
    for (;;) {
      const auto part = decoder.next(pending);
      if (!part) return std::nullopt;
      out.body += part->data;
      pending.erase(0, part->consumed);
      if (part->end) {
        out.end = true;
        out.rest = pending + std::string(in);
        return out;
      }
      if (pending.empty() || part->consumed == 0) break;
    }
    if (in.empty()) break;
  }
  return out;
}

TEST(HttpChunked, GivesTheBodyAndLeavesWhatFollows) {
  const std::string in = "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\nGET /";
  for (const std::size_t step : {1, 2, 3, 7, 100}) {
    const auto out = decode(in, step);
    ASSERT_TRUE(out);
    EXPECT_EQ(out->body, "hello0123456789");
    EXPECT_TRUE(out->end);
    EXPECT_EQ(out->rest, "GET /");
  }
}

TEST(HttpChunked, IsNotAtItsEndBeforeTheLastChunk) {
  EXPECT_FALSE(decode("5\r\nhello\r\n")->end);
  EXPECT_FALSE(decode("0\r\n")->end);
  EXPECT_FALSE(decode("0\r\nX: 1\r\n")->end);
}

TEST(HttpFraming, S13RefusesBadChunkSizes) {
  for (const char* bad : {"0x1\r\n", "+1\r\n", "-1\r\n", "00000000000000001\r\n", "ffffffffffffffff\r\n", "g\r\n",
                          "\r\n", " 1\r\n", "1 \r\n", "8000000000000000\r\n", ";x\r\n"}) {
    EXPECT_FALSE(decode(bad)) << bad;
  }
  EXPECT_TRUE(decode("7fffffffffffffff\r\nx"));
}

TEST(HttpFraming, S14RefusesLineFeedsInExtensionsAndAsChunkEnds) {
  EXPECT_FALSE(decode("1;a\nb\r\nx\r\n0\r\n\r\n"));
  EXPECT_FALSE(decode("1\nx\r\n0\r\n\r\n"));
  EXPECT_FALSE(decode("1\r\nx\n0\r\n\r\n"));
  EXPECT_FALSE(decode("1\r\nx\r\n0\n\n"));
  EXPECT_FALSE(decode("1\r\nx\r\n0\r\n\n"));
  EXPECT_FALSE(decode("1;a\rb\r\nx\r\n0\r\n\r\n"));
}

TEST(HttpFraming, S15DropsExtensionsAndCapsTheirTotal) {
  EXPECT_EQ(decode("1;a=b;c=\"d\"\r\nx\r\n0;e\r\n\r\n")->body, "x");
  EXPECT_FALSE(decode("1;" + std::string(ChunkedDecoder::kMaxExtensions + 1, 'a') + "\r\n"));
  std::string many;
  for (int i = 0; i < 100; ++i) many += "1;" + std::string(100, 'a') + "\r\nx\r\n";
  EXPECT_FALSE(decode(many));
}

TEST(HttpFraming, S16RefusesChunkDataWithoutItsLineEnd) {
  EXPECT_FALSE(decode("1\r\nxy\r\n0\r\n\r\n"));
  EXPECT_FALSE(decode("1\r\nx0\r\n\r\n"));
  EXPECT_FALSE(decode("1\r\nx\rA"));
}

TEST(HttpChunked, DropsTrailersAndRefusesBadOnes) {
  const auto out = decode("1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\nrest");
  ASSERT_TRUE(out);
  EXPECT_TRUE(out->end);
  EXPECT_EQ(out->rest, "rest");
  EXPECT_FALSE(decode("0\r\nX: a\nb\r\n\r\n"));
  EXPECT_FALSE(decode("0\r\n X: folded\r\n\r\n"));
  for (const char* bad : {"X : a", "X\t: a", "X", ": a", "GET / HTTP/1.1"}) {
    EXPECT_FALSE(decode(std::string("0\r\n") + bad + "\r\n\r\n")) << bad;  // S7, S18
  }
  EXPECT_FALSE(decode("0\r\nX: " + std::string(ChunkedDecoder::kMaxTrailers, 'a') + "\r\n\r\n"));
}

}  // namespace
}  // namespace fleet::http
