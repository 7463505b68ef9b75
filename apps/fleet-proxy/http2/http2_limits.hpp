// What HTTP/2 lets a client do that costs it little and us more (PROXY-RULES S26, T).
#pragma once

#include <algorithm>

#include "io/readiness.hpp"

namespace fleet::proxy {

struct Http2Limits {
  static constexpr unsigned kStreams = 100;                 // at once
  static constexpr unsigned kStreamWindow = (64u << 10) - 1;  // of each request's body
  static constexpr unsigned kWindow = 1u << 20;             // of all bodies of a connection
  static constexpr std::size_t kHeaderBomb = 256u << 10;    // one header block, unpacked; beyond 64 KiB it is refused
  static constexpr unsigned kContinuations = 8;             // of one header block
  static constexpr unsigned kSettings = 32;                 // in one frame
  static constexpr unsigned kOutboundAcks = 256;            // answers to PING and SETTINGS, not sent yet
  // Streams that end by a reset before their answer did, whoever was made to send it.
  static constexpr unsigned kResets = 200, kResetsPerSecond = 20;
  // Frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, unknown ones, empty DATA.
  static constexpr unsigned kEmptyFrames = 1000, kEmptyFramesPerSecond = 100;
  static constexpr unsigned kEmptyFramesPerMessage = 4;  // allowed besides for each request and each DATA frame of ours
};

// Tokens that come back with time.
class TokenBucket {
 public:
  TokenBucket(unsigned most, unsigned per_second) : most_(most), per_second_(per_second), left_(most) {}

  // False: there are none left.
  bool take(Clock::time_point now) {
    if (left_ == 0) refill(now);
    if (left_ == 0) return false;
    --left_;
    return true;
  }
  void give(unsigned n) { left_ = std::min(most_, left_ + n); }

 private:
  void refill(Clock::time_point now) {
    using std::chrono::milliseconds;
    const auto since = std::chrono::duration_cast<milliseconds>(now - refilled_).count();
    const auto earned = std::min<long long>(most_, since * per_second_ / 1000);
    if (earned == 0) return;
    left_ = static_cast<unsigned>(earned);
    refilled_ = now;
  }

  unsigned most_, per_second_, left_;
  Clock::time_point refilled_ = Clock::now();
};

}  // namespace fleet::proxy
