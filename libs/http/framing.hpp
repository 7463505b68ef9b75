// Where a message's body ends (RFC 9112 §6), decided before one body byte is looked at.
#pragma once

#include <cstdint>

#include "http/head.hpp"

namespace fleet::http {

enum class BodyKind : std::uint8_t { none, length, chunked, until_close };

struct Framing {
  BodyKind kind = BodyKind::none;
  std::uint64_t length = 0;  // kind length: bytes of body; kind none: the length told where a GET would have had one
  bool length_told = false;  // kind none: a Content-Length stands in the answer to HEAD, or in a 304
};

Parsed<Framing> request_framing(const RequestHead& head);
// A 1xx has none; 101 is the caller's business.
Parsed<Framing> response_framing(const ResponseHead& head, Method request);

}  // namespace fleet::http
