// Reads the heads of a client's frames beside nghttp2, for what that passes over without a word.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace fleet::proxy {

// What a client may not send on streams that it has done with (RFC 9113 §5.1, §5.1.1), which nghttp2 has forgotten. Only
// the latest are known here: what is older is ignored, as it may be.
class Http2StreamOrder {
 public:
  // An NGHTTP2_ error code.
  std::uint32_t judge(std::uint8_t type, std::uint8_t flags, std::int32_t stream) {
    const bool begins = type == NGHTTP2_HEADERS && stream > last_;
    if (type == NGHTTP2_RST_STREAM) end(stream);
    if (type == NGHTTP2_PRIORITY && stream == 0) return NGHTTP2_PROTOCOL_ERROR;  // §6.3
    if ((type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) || stream == 0) return NGHTTP2_NO_ERROR;
    if (!begins && std::find(ended_.begin(), ended_.end(), stream) != ended_.end()) return NGHTTP2_STREAM_CLOSED;
    if (type == NGHTTP2_HEADERS && stream >= passed_over_from_ && stream < passed_over_to_) return NGHTTP2_PROTOCOL_ERROR;
    if (begins) begin(stream);
    if ((flags & NGHTTP2_FLAG_END_STREAM) != 0) end(stream);
    return NGHTTP2_NO_ERROR;
  }

 private:
  void begin(std::int32_t stream) {
    if (stream - 2 > last_) passed_over_from_ = last_ + 2, passed_over_to_ = stream;
    last_ = stream;
  }
  void end(std::int32_t stream) { ended_[next_++ % ended_.size()] = stream; }

  std::array<std::int32_t, 8> ended_{};
  unsigned next_ = 0;
  std::int32_t last_ = -1, passed_over_from_ = 0, passed_over_to_ = 0;
};

class Http2FrameHeads {
 public:
  struct Found {
    unsigned unknown = 0;  // frames of a type that nghttp2 does not know
    std::uint32_t error = NGHTTP2_NO_ERROR;  // of the connection: the first
  };

  // The next bytes from the client, its preface among them.
  Found read(std::string_view bytes) {
    Found found;
    while (!bytes.empty()) {
      const auto n = std::min(left_, bytes.size());
      left_ -= n;
      bytes.remove_prefix(n);
      while (left_ == 0 && !bytes.empty()) {
        head_[at_] = static_cast<std::uint8_t>(bytes.front());
        bytes.remove_prefix(1);
        if (++at_ == head_.size()) take_head(found);
      }
    }
    return found;
  }

 private:
  static constexpr unsigned kPreface = 24, kLastKnown = NGHTTP2_CONTINUATION;

  void take_head(Found& found) {
    at_ = 0;
    left_ = static_cast<std::size_t>(head_[0] << 16 | head_[1] << 8 | head_[2]);
    const auto type = head_[3];
    if (type > kLastKnown) ++found.unknown;
    const auto stream = static_cast<std::int32_t>((head_[5] & 0x7fu) << 24 | static_cast<unsigned>(head_[6] << 16) |
                                                  static_cast<unsigned>(head_[7] << 8) | head_[8]);
    const auto error = order_.judge(type, head_[4], stream);
    if (found.error == NGHTTP2_NO_ERROR) found.error = error;
  }

  std::size_t left_ = kPreface;  // before the next head
  std::array<std::uint8_t, 9> head_{};
  unsigned at_ = 0;
  Http2StreamOrder order_;
};

}  // namespace fleet::proxy
