// The chunked transfer coding (RFC 9112 §7.1), strict and streaming: body bytes come out as views into what went in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/fault.hpp"

namespace fleet::http {

// Chunk extensions are checked and dropped, trailer fields are kept; their totals per message are capped.
class ChunkedDecoder {
 public:
  static constexpr std::size_t kMaxExtensions = 8u << 10;
  static constexpr std::size_t kMaxTrailers = 8u << 10;

  struct Step {
    std::string_view data;     // the next piece of body, within `in`; may be empty
    std::size_t consumed = 0;  // bytes of `in` that are used up, `data` included
    bool end = false;          // the message is complete; what follows `consumed` belongs to the next one
  };

  // At most one piece of body a call, which is then the last of what was consumed; call again with what was not
  // consumed while it is not empty and not the end.
  Parsed<Step> next(std::string_view in);
  // The field lines behind the last chunk, with the blank line that ends them; empty when there are none.
  std::string_view trailers() const { return trailers_; }

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    line_first,
    name,
    value,
    line_lf,
    last_lf,
    done
  };
  State state_ = State::size_first;
  std::uint64_t left_ = 0;  // of the current chunk
  unsigned digits_ = 0;
  std::size_t extensions_ = 0;
  std::string trailers_;
};

// Room that encoding a piece takes besides the piece itself.
constexpr std::size_t kChunkOverhead = 16 + 2 + 2;
constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace fleet::http
