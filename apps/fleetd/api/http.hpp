// One exchange as plain values: what came in, what goes out. No sockets, no Beast.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/views.hpp"
#include "core/json.hpp"
#include "net/task.hpp"

namespace fleet::api {

// By what way a request came, and what that says of who sent it.
struct Peer {
  enum class Transport { unix_socket, tcp, tls } transport = Transport::unix_socket;
  bool operator_rights = false;  // may do all; else only what is open to everyone
  std::string who;               // "uid 1000", "token", "anonymous"
};

struct Request {
  Peer peer;
  std::string method, target;  // as sent
  std::string host, origin, authorization, accept, content_type, last_event_id;
  bool has_body = false;
  std::string body;
  std::map<std::string, std::string> params;  // of the path's {names}, decoded
  std::map<std::string, std::string> query;   // decoded; a repeated name is refused

  // The query parameter as a number: absent is nothing, anything but digits is a usage error.
  Result<std::optional<std::uint64_t>> number(const std::string& name) const;
  Result<bool> flag(const std::string& name) const;  // absent, "false", "0": false; "", "true", "1": true
};

// The body of an answer that goes on for a while.
class Source {
 public:
  virtual ~Source() = default;
  virtual net::Task<std::optional<std::string>> next() = 0;  // the next piece, not empty; nothing: the end
  virtual void stop() = 0;                                   // the client is gone: next() ends soon
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;                 // 405: the methods there are
  bool challenge = false;            // 401: ask for a token
  std::shared_ptr<Source> source;    // instead of body
  std::function<void()> afterwards;  // once the answer is written
};

// One line; bytes of others that are not UTF-8 become U+FFFD instead of an exception.
std::string text_of(const json::Json& value);

template <class View>
Response answer_with(const View& view, unsigned status = 200) {
  Response response;
  response.status = status;
  response.body = text_of(json::write(view)) + "\n";
  return response;
}

// An RFC 9457 document; the status by the error's kind unless given.
Response problem(const Error& error, const std::optional<BusyView>& busy = {}, unsigned status = 0);
unsigned status_of(ErrorKind kind);

// Strict: depth up to 32, no repeated keys, UTF-8.
Result<json::Json> parse_strict(std::string_view text);

// A body's fields, none unknown. An empty body is an empty object.
template <class T>
Result<T> body_as(const Request& request) {
  T value;
  if (request.body.empty()) return value;
  TRY(const auto parsed, parse_strict(request.body));
  std::map<std::string, bool> known;
  for_each_field(value, [&](const char* field, const auto&) { known[field] = true; });
  if (!parsed.is_object()) return fail(ErrorKind::usage, "request body: not an object");
  for (const auto& [key, element] : parsed.items()) {
    if (!known[key]) return fail(ErrorKind::usage, "request body: unknown key: " + text_of(key));
  }
  if (auto read = json::read(parsed, value); !read) {
    return fail(ErrorKind::usage, "request body: " + read.error().text);
  }
  return value;
}

}  // namespace fleet::api
