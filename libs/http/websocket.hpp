// Where the frames of a WebSocket end (RFC 6455 §5.2), in bytes that are otherwise not looked at: between two frames the
// proxy may put one of its own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace fleet::http {

class WebSocketFrames {
 public:
  // The next bytes of one direction, in any pieces.
  void pass(std::string_view bytes);
  // How many bytes may surely follow before the frame under way ends; 0 between two frames.
  std::uint64_t until_boundary() const { return left_ > 0 ? left_ : header_size_ > 0 ? 1 : 0; }
  bool closed() const { return closed_; }  // a Close frame has begun to pass

 private:
  std::size_t header_length() const;  // of what is known of it

  std::array<unsigned char, 14> header_{};
  std::size_t header_size_ = 0;
  std::uint64_t left_ = 0;  // of the payload
  bool closed_ = false;
};

// RFC 6455 §7.4.1
enum class CloseCode : std::uint16_t { going_away = 1001, service_restart = 1012 };

// A Close frame from a server.
std::string close_frame(CloseCode code);

}  // namespace fleet::http
