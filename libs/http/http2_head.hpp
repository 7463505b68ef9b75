// The head of one request as HTTP/2 brings it (RFC 9113 §8.3), gathered field by field, and made into what the parser of
// HTTP/1.1 would have made of it: from there on nobody need know the difference.
#pragma once

#include <string>
#include <vector>

#include "http/framing.hpp"

namespace fleet::http {

class Http2Head {
 public:
  // As SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 §6.5.2).
  static constexpr std::size_t kMaxList = 64u << 10;

  void clear();
  // Pseudo fields too. What is beyond the limits is counted and not kept.
  void add(std::string_view name, std::string_view value);
  std::size_t list_size() const { return list_size_; }
  std::size_t capacity() const { return text_.capacity(); }
  bool asks_tunnel() const { return has(protocol); }

  // Fills `head` with views into this object, which must stay as it is for as long as they are used. Faults of status
  // 400 mean that the request is malformed (S24). `websocket_key`: for the handshake that an extended CONNECT becomes
  // (RFC 8441, P7).
  Parsed<> settle(RequestHead& head, std::string_view websocket_key);

 private:
  struct Piece {
    std::size_t at = 0, size = 0;
  };
  struct Line {
    Piece name, value;
  };
  enum Pseudo : std::uint8_t { method, scheme, authority, path, protocol, kPseudos };

  Piece keep(std::string_view text);
  std::string_view view(const Piece& piece) const { return std::string_view(text_).substr(piece.at, piece.size); }
  bool has(Pseudo which) const { return pseudo_[which].at != 0; }
  std::string_view view(Pseudo which) const { return view(pseudo_[which]); }
  void add_pseudo(std::string_view name, std::string_view value);
  Piece joined_cookies();
  Parsed<> settle_fields(RequestHead& head);

  std::string text_{" "};  // one byte, so that nothing that was kept is at 0
  std::vector<Line> lines_;
  Piece pseudo_[kPseudos];
  std::size_t list_size_ = 0, cookies_ = 0;
  bool malformed_ = false, too_many_ = false;
};

// The framing of a request whose head is `head`. `ended`: no body follows. A body of no told length goes to the
// application in chunks.
Parsed<Framing> http2_request_framing(const RequestHead& head, bool ended);

}  // namespace fleet::http
