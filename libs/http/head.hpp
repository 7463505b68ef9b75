// Strict parsing of HTTP/1.1 heads (RFC 9112 §2, §3, §5). Everything that is returned is a view into the bytes given.
//
// First HeadScanner finds where the head ends, looking at each byte once however slowly they come; then one parse.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/fault.hpp"
#include "http/fields.hpp"

namespace fleet::http {

constexpr std::size_t kMaxHead = 32u << 10;
constexpr std::size_t kMaxTarget = 16u << 10;

class HeadScanner {
 public:
  // `bytes`: all that came so far, the head first. The head's length with its blank line, or 0: more is needed.
  Parsed<std::size_t> scan(std::string_view bytes, std::size_t limit = kMaxHead);
  void reset() { scanned_ = line_ = 0; }

 private:
  std::size_t scanned_ = 0;  // bytes looked at
  std::size_t line_ = 0;     // where the current line begins
};

enum class Method : std::uint8_t { get, head, post, put, delete_, options, trace, patch, connect, other };

// RFC 9110 §9.2.2
constexpr bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::delete_:
    case Method::options:
    case Method::trace: return true;
    case Method::post:
    case Method::patch:
    case Method::connect:
    case Method::other: return false;
  }
  return false;
}

// What the Connection fields say.
struct ConnectionOptions {
  bool close = false, keep_alive = false, upgrade = false;
};

struct RequestHead {
  std::string_view method_text;
  Method method = Method::other;
  std::string_view target;     // origin form ("/path?query") or "*"
  std::string_view authority;  // as the client asked for it, port included; empty only with HTTP/1.0
  int minor = 1;               // 0 or 1
  ConnectionOptions connection;
  bool expects_continue = false;
  std::string_view upgrade;  // the protocols asked for; empty: none
  FieldList fields;

  bool keep_alive() const { return !connection.close && (minor == 1 || connection.keep_alive); }
};

struct ResponseHead {
  int status = 0;
  std::string_view reason;
  int minor = 1;
  ConnectionOptions connection;
  FieldList fields;

  bool keep_alive() const { return !connection.close && (minor == 1 || connection.keep_alive); }
};

// `bytes`: exactly one head as found by HeadScanner.
Parsed<> parse_request(std::string_view bytes, RequestHead& head);
Parsed<> parse_response(std::string_view bytes, ResponseHead& head);

// What holds for requests of any version, once their parts are in `head`: first method and target as texts, which sets
// method; then all else, which sets authority, target, upgrade and expects_continue.
Parsed<> settle_request_line(RequestHead& head);
Parsed<> settle_request(RequestHead& head);

// Field lines and the blank line that ends them, as BodyReader::trailers() has them.
Parsed<> parse_trailers(std::string_view bytes, FieldList& fields);

}  // namespace fleet::http
