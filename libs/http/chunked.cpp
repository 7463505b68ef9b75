#include "http/chunked.hpp"

#include <algorithm>
#include <limits>

#include "http/chars.hpp"

namespace fleet::http {

Parsed<ChunkedDecoder::Step> ChunkedDecoder::next(std::string_view in) {
  std::size_t at = 0;
  while (at < in.size() && state_ != State::done) {
    const char c = in[at];
    switch (state_) {
      case State::size_first:
      case State::size:
        if (const int digit = hex_digit(c); digit >= 0) {
          // S13: at most 16 digits, below 2^63
          if (++digits_ > 16 || left_ > (static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) >> 4)) {
            return refuse(Fault::bad_chunk);
          }
          left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
          state_ = State::size;
        } else if (state_ == State::size && c == ';') {
          state_ = State::extension;
        } else if (state_ == State::size && c == '\r') {
          state_ = State::size_lf;
        } else {
          return refuse(Fault::bad_chunk);  // S13, S14
        }
        break;
      case State::extension:  // S15: dropped, and capped over the whole message
        if (++extensions_ > kMaxExtensions) return refuse(Fault::bad_chunk);
        if (c == '\r')
          state_ = State::size_lf;
        else if (!chars::is(c, chars::value))
          return refuse(Fault::bad_chunk);  // S14
        break;
      case State::size_lf:
        if (c != '\n') return refuse(Fault::bad_chunk);
        state_ = left_ == 0 ? State::line_first : State::data;
        digits_ = 0;
        break;
      case State::data: {
        const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - at));
        left_ -= take;
        if (left_ == 0) state_ = State::data_cr;
        return Step{in.substr(at, take), at + take, false};
      }
      case State::data_cr:  // S16
        if (c != '\r') return refuse(Fault::bad_chunk);
        state_ = State::data_lf;
        break;
      case State::data_lf:
        if (c != '\n') return refuse(Fault::bad_chunk);
        state_ = State::size_first;
        break;
      case State::line_first:
        if (c == '\r')
          state_ = State::last_lf;
        else if (chars::is(c, chars::token))
          state_ = State::name;
        else
          return refuse(Fault::bad_chunk);
        if (state_ == State::name || !trailers_.empty()) trailers_ += c;
        break;
      case State::name:  // S7, S18
      case State::value:
        if (state_ == State::name && c == ':')
          state_ = State::value;
        else if (state_ == State::value && c == '\r')
          state_ = State::line_lf;
        else if (!chars::is(c, state_ == State::name ? chars::token : chars::value))
          return refuse(Fault::bad_chunk);
        if (trailers_.size() >= kMaxTrailers) return refuse(Fault::bad_chunk);
        trailers_ += c;
        break;
      case State::line_lf:
        if (c != '\n') return refuse(Fault::bad_chunk);
        state_ = State::line_first;
        trailers_ += c;
        break;
      case State::last_lf:
        if (c != '\n') return refuse(Fault::bad_chunk);
        state_ = State::done;
        if (!trailers_.empty()) trailers_ += c;
        break;
      case State::done: break;
    }
    ++at;
  }
  return Step{{}, at, state_ == State::done};
}

}  // namespace fleet::http
