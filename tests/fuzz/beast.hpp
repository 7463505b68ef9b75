// How another parser, Boost.Beast's, reads what we write: the differential half of the fuzz targets.
#pragma once

#include <boost/beast/http.hpp>
#include <optional>
#include <string>

namespace fleet::fuzz {

namespace beast = boost::beast;

struct Read {
  std::string method, target, body;
  unsigned status = 0;
  std::size_t fields = 0;
  bool chunked = false, whole = false;
  std::optional<std::uint64_t> length;
};

// Nothing: Beast refuses it.
template <bool kRequest>
std::optional<Read> read_with_beast(std::string_view bytes, bool head_only) {
  beast::http::parser<kRequest, beast::http::string_body> parser;
  parser.body_limit(boost::none);
  parser.header_limit(128u << 10);
  parser.eager(!head_only);
  beast::error_code error;
  std::size_t at = 0;
  while (at < bytes.size() && !parser.is_done() && !(head_only && parser.is_header_done())) {
    const auto used = parser.put(boost::asio::buffer(bytes.data() + at, bytes.size() - at), error);
    if (error == beast::http::error::need_more) break;
    if (error) return std::nullopt;
    if (used == 0) break;
    at += used;
  }
  if (!parser.is_header_done()) return std::nullopt;
  Read read;
  const auto& message = parser.get();
  if constexpr (kRequest) {
    read.method = std::string(message.method_string());
    read.target = std::string(message.target());
  } else {
    read.status = message.result_int();
  }
  for ([[maybe_unused]] const auto& field : message) ++read.fields;
  read.chunked = parser.chunked();
  if (const auto length = parser.content_length()) read.length = *length;
  read.body = message.body();
  read.whole = parser.is_done();
  return read;
}

}  // namespace fleet::fuzz
