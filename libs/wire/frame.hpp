// Frames on a stream: u32 length of the payload | u16 type | u16 descriptors sent along | payload, little endian.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "wire/codec.hpp"
#include "wire/messages.hpp"

namespace fleet::wire {

constexpr std::size_t kFrameHeader = 8;

struct Frame {
  std::uint16_t type = 0;
  std::uint16_t fd_count = 0;
  std::string payload;
};

template <class M>
std::string frame(const M& message, std::size_t fd_count = 0) {
  std::string out(kFrameHeader, '\0');
  Encoder body(out);
  body.message(message);
  std::string header;
  Encoder head(header);
  head.put(static_cast<std::uint32_t>(out.size() - kFrameHeader));
  head.put(M::kType);
  head.put(static_cast<std::uint16_t>(fd_count));
  out.replace(0, kFrameHeader, header);
  return out;
}

// Cuts a byte stream into frames.
class FrameReader {
 public:
  void append(std::string_view bytes) { buffer_.append(bytes); }

  // The next whole frame, nothing if more bytes are needed, or an error when the stream is not ours (then hang up).
  Result<std::optional<Frame>> next() {
    if (buffer_.size() < kFrameHeader) return std::optional<Frame>();
    Decoder head(buffer_);
    std::uint32_t length = 0;
    Frame frame;
    head.get(length), head.get(frame.type), head.get(frame.fd_count);
    if (length > kMaxFrame || frame.fd_count > kMaxFds) return fail("malformed frame: header out of range");
    if (buffer_.size() < kFrameHeader + length) return std::optional<Frame>();
    frame.payload = buffer_.substr(kFrameHeader, length);
    buffer_.erase(0, kFrameHeader + length);
    return std::optional(std::move(frame));
  }

 private:
  std::string buffer_;
};

}  // namespace fleet::wire
