#include "http/websocket.hpp"

#include <algorithm>

namespace fleet::http {
namespace {

constexpr unsigned kOpcode = 0x0f, kClose = 0x08, kMasked = 0x80, kLength = 0x7f, kLength16 = 126, kLength64 = 127;

}  // namespace

std::size_t WebSocketFrames::header_length() const {
  if (header_size_ < 2) return 2;
  const unsigned length = header_[1] & kLength;
  return 2u + (length == kLength16 ? 2u : length == kLength64 ? 8u : 0u) + (header_[1] & kMasked ? 4u : 0u);
}

void WebSocketFrames::pass(std::string_view bytes) {
  while (!bytes.empty()) {
    if (left_ > 0) {
      const auto n = std::min<std::uint64_t>(left_, bytes.size());
      left_ -= n;
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    header_[header_size_++] = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (header_size_ < header_length()) continue;
    closed_ |= (header_[0] & kOpcode) == kClose;
    left_ = header_[1] & kLength;
    const std::size_t extended = left_ == kLength16 ? 2 : left_ == kLength64 ? 8 : 0;
    if (extended > 0) left_ = 0;
    for (std::size_t i = 0; i < extended; ++i) left_ = left_ << 8 | header_[2 + i];
    header_size_ = 0;
  }
}

std::string close_frame(CloseCode code) {
  const auto number = static_cast<std::uint16_t>(code);
  return {static_cast<char>(0x80 | kClose), 2, static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
}

}  // namespace fleet::http
