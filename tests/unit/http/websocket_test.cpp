// D7: a tunnel is closed at a frame boundary.
#include "http/websocket.hpp"

#include <gtest/gtest.h>

namespace fleet::http {
namespace {

std::string frame(unsigned char first, std::size_t length, bool masked) {
  std::string out(1, static_cast<char>(first));
  const auto mask = masked ? 0x80u : 0u;
  if (length < 126) {
    out += static_cast<char>(mask | length);
  } else if (length < 65536) {
    out += static_cast<char>(mask | 126u);
    for (int shift = 8; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xff);
  } else {
    out += static_cast<char>(mask | 127u);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xff);
  }
  if (masked) out += "\x88\x88\x88\x88";
  return out + std::string(length, '\x88');
}

TEST(WebSocketFrames, D7FindsTheEndOfEveryFrameHoweverItComes) {
  for (const std::size_t length : {0, 1, 125, 126, 65535, 65536}) {
    for (const bool masked : {false, true}) {
      for (const std::size_t piece : {1, 2, 7, 100000}) {
        const auto bytes = frame(0x82, length, masked);
        WebSocketFrames frames;
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
          EXPECT_TRUE(at == 0 || frames.until_boundary() > 0) << length << " at " << at;
          EXPECT_LE(frames.until_boundary(), bytes.size() - at);
          frames.pass(std::string_view(bytes).substr(at, piece));
        }
        EXPECT_EQ(frames.until_boundary(), 0u) << length;
        EXPECT_FALSE(frames.closed());
      }
    }
  }
}

TEST(WebSocketFrames, D7SeesACloseFrameBehindOthers) {
  WebSocketFrames frames;
  frames.pass(frame(0x81, 300, false) + frame(0x88, 2, false));
  EXPECT_TRUE(frames.closed());
  EXPECT_EQ(frames.until_boundary(), 0u);
}

TEST(WebSocketFrames, D7WritesACloseFrameThatItUnderstands) {
  WebSocketFrames frames;
  frames.pass(close_frame(CloseCode::service_restart));
  EXPECT_TRUE(frames.closed());
  EXPECT_EQ(frames.until_boundary(), 0u);
  EXPECT_EQ(close_frame(CloseCode::going_away), std::string("\x88\x02\x03\xe9"));
}

}  // namespace
}  // namespace fleet::http
