// Reads one body out of the bytes that a connection brings: by length, chunked, or until the connection ends.
#pragma once

#include "http/chunked.hpp"
#include "http/framing.hpp"

namespace fleet::http {

class BodyReader {
 public:
  void begin(const Framing& framing) {
    *this = BodyReader();
    kind_ = framing.kind;
    left_ = framing.length;
  }

  // `in`: what is at hand and was not taken. How many bytes at its start are framing, to be dropped; behind these come
  // ready() bytes of body.
  Parsed<std::size_t> read(std::string_view in);
  std::size_t ready() const { return ready_; }
  void taken(std::size_t n) {
    ready_ -= n;
    if (kind_ == BodyKind::length) left_ -= n;
  }
  // The connection brings no more. False: the body is cut short.
  bool source_ended();

  // All of it was taken.
  bool ended() const {
    return kind_ == BodyKind::none || (kind_ == BodyKind::length ? left_ == 0 : ended_ && ready_ == 0);
  }
  // What may be sent on as it is, without framing of its own.
  bool is_raw() const { return kind_ == BodyKind::length || kind_ == BodyKind::until_close; }
  // The field lines behind the last chunk, with the blank line that ends them; empty when there are none.
  std::string_view trailers() const { return chunks_.trailers(); }

 private:
  BodyKind kind_ = BodyKind::none;
  std::uint64_t left_ = 0;  // kind length: not yet taken
  std::size_t ready_ = 0;
  bool ended_ = false;
  ChunkedDecoder chunks_;
};

}  // namespace fleet::http
