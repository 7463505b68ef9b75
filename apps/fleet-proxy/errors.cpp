#include "errors.hpp"

namespace fleet::proxy {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

void write_own_answer(http::Writer& out, const OwnAnswer& answer, bool with_body, http::Persistence persistence) {
  std::string body = std::to_string(answer.status) + " ";
  body += reason_phrase(answer.status);
  if (!answer.reason.empty()) body.append(" (").append(answer.reason).append(")");
  body += "\n";
  out.put("HTTP/1.1 ");
  out.put_number(static_cast<unsigned>(answer.status));
  out.put_all(" ", reason_phrase(answer.status), "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ");
  out.put_number(body.size());
  out.put("\r\n");
  if (answer.status >= 400) out.put("Cache-Control: no-store\r\n");
  if (answer.status == 405) out.put("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
  if (!answer.reason.empty()) out.put_all("X-Fleet-Error: ", answer.reason, "\r\n");
  if (!answer.location.empty()) out.put_all("Location: ", answer.location, "\r\n");
  if (answer.retry_after != 0) {
    out.put("Retry-After: ");
    out.put_number(answer.retry_after);
    out.put("\r\n");
  }
  switch (persistence) {
    case http::Persistence::keep: break;
    case http::Persistence::keep_alive: out.put("Connection: keep-alive\r\n"); break;
    case http::Persistence::close: out.put("Connection: close\r\n"); break;
  }
  out.put("\r\n");
  if (with_body) out.put(body);
}

}  // namespace fleet::proxy
