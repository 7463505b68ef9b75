#include "http2/http2_frame_heads.hpp"

#include <gtest/gtest.h>

#include <string>

namespace fleet::proxy {
namespace {

std::string frame(std::uint8_t type, std::uint8_t flags, unsigned stream, std::size_t size = 0) {
  std::string out;
  for (const auto byte : {size >> 16, size >> 8, size, std::size_t{type}, std::size_t{flags}}) out += static_cast<char>(byte);
  for (const auto shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  return out + std::string(size, '\xff');
}
std::string data(unsigned stream, int flags = 0) { return frame(NGHTTP2_DATA, static_cast<std::uint8_t>(flags), stream, 5); }
std::string head(unsigned stream, int flags = 0) { return frame(NGHTTP2_HEADERS, static_cast<std::uint8_t>(flags), stream, 5); }
std::string reset(unsigned stream) { return frame(NGHTTP2_RST_STREAM, 0, stream, 4); }

Http2FrameHeads::Found found(const std::string& frames, std::size_t step = 1000) {
  const auto bytes = NGHTTP2_CLIENT_MAGIC + frames;
  Http2FrameHeads heads;
  Http2FrameHeads::Found all;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto part = heads.read(std::string_view(bytes).substr(at, step));
    if (all.error == NGHTTP2_NO_ERROR) all.error = part.error;
    all.unknown += part.unknown;
  }
  return all;
}
std::uint32_t error_of(const std::string& frames) { return found(frames).error; }

constexpr int kEnd = NGHTTP2_FLAG_END_STREAM;

TEST(Http2FrameHeads, SaysTheSameHoweverTheBytesAreCut) {
  const auto frames = frame(4, 0, 0, 12) + frame(10, 0, 0) + head(1, kEnd) + frame(0xff, 0, 7, 300) + data(1);
  for (std::size_t step = 1; step < 400; ++step) {
    EXPECT_EQ(found(frames, step).unknown, 2u) << step;
    EXPECT_EQ(found(frames, step).error, NGHTTP2_STREAM_CLOSED) << step;
  }
}

TEST(Http2FrameHeads, KnowsStreamsThatTheClientHasDoneWith) {
  EXPECT_EQ(error_of(head(1) + data(1) + head(1, kEnd)), NGHTTP2_NO_ERROR) << "trailers";
  EXPECT_EQ(error_of(head(1, kEnd) + reset(1) + frame(NGHTTP2_WINDOW_UPDATE, 0, 1, 4)), NGHTTP2_NO_ERROR);
  EXPECT_EQ(error_of(head(1, kEnd) + data(1)), NGHTTP2_STREAM_CLOSED);
  EXPECT_EQ(error_of(head(1) + data(1, kEnd) + head(1)), NGHTTP2_STREAM_CLOSED);
  EXPECT_EQ(error_of(head(1) + reset(1) + head(3) + data(3) + data(1)), NGHTTP2_STREAM_CLOSED);
  EXPECT_EQ(error_of(head(1) + data(1, NGHTTP2_FLAG_PADDED) + data(1)), NGHTTP2_NO_ERROR);
}

TEST(Http2FrameHeads, ForgetsThoseOfLongAgo) {
  std::string frames;
  for (unsigned stream = 1; stream < 40; stream += 2) frames += head(stream, kEnd);
  EXPECT_EQ(error_of(frames + data(1)), NGHTTP2_NO_ERROR);
  EXPECT_EQ(error_of(frames + data(39)), NGHTTP2_STREAM_CLOSED);
  EXPECT_EQ(error_of(frames + data(25)), NGHTTP2_STREAM_CLOSED);
}

TEST(Http2FrameHeads, KnowsStreamsThatWerePassedOver) {
  EXPECT_EQ(error_of(head(5) + head(3)), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(error_of(head(13) + head(1)), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(error_of(head(13) + head(15) + head(17)), NGHTTP2_NO_ERROR);
  EXPECT_EQ(error_of(head(1) + head(3) + head(1, kEnd)), NGHTTP2_NO_ERROR);
  EXPECT_EQ(error_of(head(0x7fffffff) + head(0x7fffffff, kEnd)), NGHTTP2_NO_ERROR);
}

TEST(Http2FrameHeads, KnowsNoPriorityOfTheConnection) {
  EXPECT_EQ(error_of(frame(NGHTTP2_PRIORITY, 0, 0, 5)), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(error_of(frame(NGHTTP2_PRIORITY, 0, 1, 5)), NGHTTP2_NO_ERROR);
  EXPECT_EQ(error_of(frame(NGHTTP2_PRIORITY, 0, 0x80000000u, 5)), NGHTTP2_PROTOCOL_ERROR) << "the bit that is reserved";
}

}  // namespace
}  // namespace fleet::proxy
