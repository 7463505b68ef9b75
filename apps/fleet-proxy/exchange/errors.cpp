#include "exchange/errors.hpp"

#include "http/chars.hpp"

namespace fleet::proxy {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 302: return "Found";
    case 303: return "See Other";
    case 307: return "Temporary Redirect";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 301: return "Moved Permanently";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 508: return "Loop Detected";
    default: return "Error";
  }
}

namespace {

class Lines final : public http::FieldSink {
 public:
  explicit Lines(http::Writer& out) : out_(out) {}
  void put(std::string_view name, std::string_view value) override { out_.put_all(name, ": ", value, "\r\n"); }

 private:
  http::Writer& out_;
};

std::string text_of(const OwnAnswer& answer) {
  std::string body = std::to_string(answer.status) + " ";
  body += reason_phrase(answer.status);
  if (!answer.reason.empty()) body.append(" (").append(answer.reason).append(")");
  return body += "\n";
}

// What a client must know of the answer that a page stands for.
void keep_of_app(http::FieldSink& out, const http::ResponseHead& head) {
  for (const auto& field : head.fields) {
    for (const std::string_view kept : {"www-authenticate", "retry-after", "allow"}) {
      if (http::iequals(field.name, kept)) out.put(field.name, field.value);
    }
  }
}

}  // namespace

std::string own_body(const OwnAnswer& answer) { return answer.page ? *answer.page : text_of(answer); }

void put_own_fields(http::FieldSink& out, const OwnAnswer& answer, std::size_t body_size) {
  out.put("Content-Type", answer.page ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
  out.put("Content-Length", std::to_string(body_size));
  if (answer.status >= 400) out.put("Cache-Control", "no-store");
  if (answer.status == 405 && !answer.of_app) out.put("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (!answer.reason.empty()) out.put("X-Fleet-Error", answer.reason);
  if (!answer.location.empty()) out.put("Location", answer.location);
  if (!answer.challenge.empty()) out.put("WWW-Authenticate", answer.challenge);
  if (answer.retry_after != 0) out.put("Retry-After", std::to_string(answer.retry_after));
  if (answer.of_app) keep_of_app(out, *answer.of_app);
  if (answer.edits) answer.edits->add(out);
}

std::size_t write_own_answer(http::Writer& out, const OwnAnswer& answer, bool with_body, http::Persistence persistence) {
  const auto body = own_body(answer);
  out.put("HTTP/1.1 ");
  out.put_number(static_cast<unsigned>(answer.status));
  out.put_all(" ", reason_phrase(answer.status), "\r\n");
  Lines lines(out);
  put_own_fields(lines, answer, body.size());
  switch (persistence) {
    case http::Persistence::keep: break;
    case http::Persistence::keep_alive: lines.put("Connection", "keep-alive"); break;
    case http::Persistence::close: lines.put("Connection", "close"); break;
  }
  out.put("\r\n");
  if (!with_body) return 0;
  out.put(body);
  return body.size();
}

}  // namespace fleet::proxy
