#include "http/head.hpp"

#include <cstring>

#include "http/authority.hpp"
#include "http/chars.hpp"

namespace fleet::http {
namespace {

constexpr std::size_t kMaxConnectionOptions = 32;

Method method_of(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::get;
      if (text == "PUT") return Method::put;
      break;
    case 4:
      if (text == "HEAD") return Method::head;
      if (text == "POST") return Method::post;
      break;
    case 5:
      if (text == "PATCH") return Method::patch;
      if (text == "TRACE") return Method::trace;
      break;
    case 6:
      if (text == "DELETE") return Method::delete_;
      break;
    case 7:
      if (text == "OPTIONS") return Method::options;
      if (text == "CONNECT") return Method::connect;
      break;
    default: break;
  }
  return Method::other;
}

// "HTTP/1.x" -> 0 or 1. S17: a minor version above 1 is treated as 1, another major version is refused.
Parsed<int> parse_version(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 8 || !text.starts_with("HTTP/") || text[6] != '.' || !is_digit(text[5]) || !is_digit(text[7])) {
    return refuse(Fault::bad_version);
  }
  if (text[5] != '1') return refuse(Fault::unsupported_version);
  return text[7] == '0' ? 0 : 1;
}

// Reads field lines from `at` to the blank line that ends `bytes`. Every LF in there is known to follow a CR (S9).
Parsed<> parse_fields(std::string_view bytes, std::size_t at, FieldList& fields) {
  fields.clear();
  const char* p = bytes.data() + at;
  const char* const end = bytes.data() + bytes.size() - 2;
  while (p != end) {
    if (*p == ' ' || *p == '\t') return refuse(Fault::folded_field);  // S8
    const char* const name = p;
    while (chars::is(*p, chars::token)) ++p;
    if (p == name || *p != ':') return refuse(Fault::bad_field);  // S7, S18
    const std::string_view name_text(name, static_cast<std::size_t>(p - name));
    const char* const value = ++p;
    while (chars::is(*p, chars::value)) ++p;
    if (p[0] != '\r' || p[1] != '\n') return refuse(Fault::bad_field);  // S10
    if (fields.full()) return refuse(Fault::too_many_fields);
    fields.add(name_text, trim({value, static_cast<std::size_t>(p - value)}));
    p += 2;
  }
  return {};
}

// Reads the Connection fields and marks every field that they name (P1).
Parsed<> apply_connection(FieldList& fields, ConnectionOptions& options) {
  options = {};
  std::size_t count = 0;
  for (const auto& connection : fields) {
    if (connection.id != FieldId::connection) continue;
    for_each_element(connection.value, [&](std::string_view option) {
      if (++count > kMaxConnectionOptions) return;
      if (iequals(option, "close"))
        options.close = true;
      else if (iequals(option, "keep-alive"))
        options.keep_alive = true;
      else if (iequals(option, "upgrade"))
        options.upgrade = true;
      for (auto& field : fields) {
        if (iequals(field.name, option)) field.named_by_connection = true;
      }
    });
  }
  if (count > kMaxConnectionOptions) return refuse(Fault::bad_field);
  return {};
}

// S11: exactly one valid Host (HTTP/1.0 may have none). S12: an absolute-form target must agree with it.
Parsed<> settle_authority(RequestHead& head) {
  const Field* host = nullptr;
  for (const auto& field : head.fields) {
    if (field.id != FieldId::host) continue;
    if (host) return refuse(Fault::bad_host);
    host = &field;
  }
  if (!host && head.minor == 1) return refuse(Fault::bad_host);
  if (host && !split_authority(host->value)) return refuse(Fault::bad_host);
  head.authority = host ? host->value : std::string_view();
  return {};
}

Parsed<> settle_target(RequestHead& head) {
  auto& target = head.target;
  if (target.size() > kMaxTarget) return refuse(Fault::target_too_long);
  if (target.starts_with('/')) return {};
  if (target == "*") return head.method == Method::options ? Parsed<>() : refuse(Fault::bad_target);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!istarts_with(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    const auto path = target.find_first_of("/?");
    const auto authority = target.substr(0, path);
    if (!split_authority(authority)) return refuse(Fault::bad_target);
    if (!head.authority.empty() && !iequals(authority, head.authority)) return refuse(Fault::bad_host);  // S12
    head.authority = authority;
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    if (target.starts_with('?')) return refuse(Fault::bad_target);
    return {};
  }
  return refuse(Fault::bad_target);
}

// P7: an upgrade is asked for by both fields, in HTTP/1.1. S25: never to h2c.
void settle_upgrade(RequestHead& head) {
  head.upgrade = {};
  if (!head.connection.upgrade || head.minor == 0) return;
  const Field* upgrade = head.fields.find(FieldId::upgrade);
  if (!upgrade) return;
  bool to_h2c = false;
  for_each_element(upgrade->value, [&](std::string_view protocol) { to_h2c |= istarts_with(protocol, "h2c"); });
  if (!to_h2c) head.upgrade = upgrade->value;
}

Parsed<> settle_expectation(RequestHead& head) {
  head.expects_continue = false;
  for (const auto& field : head.fields) {
    if (field.id != FieldId::expect || head.minor == 0) continue;  // RFC 9110 §10.1.1: ignored from HTTP/1.0
    if (!iequals(field.value, "100-continue")) return refuse(Fault::bad_expectation);
    head.expects_continue = true;
  }
  return {};
}

}  // namespace

Parsed<std::size_t> HeadScanner::scan(std::string_view bytes, std::size_t limit) {
  while (scanned_ < bytes.size()) {
    const auto* found = static_cast<const char*>(std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_));
    if (!found) break;
    const auto at = static_cast<std::size_t>(found - bytes.data());
    if (at == 0 || bytes[at - 1] != '\r') return refuse(Fault::bare_line_feed);  // S9
    scanned_ = at + 1;
    if (scanned_ > limit) return refuse(line_ == 0 ? Fault::target_too_long : Fault::head_too_large);
    if (at - line_ == 1) return scanned_;
    line_ = scanned_;
  }
  scanned_ = bytes.size();
  if (scanned_ > limit) return refuse(line_ == 0 ? Fault::target_too_long : Fault::head_too_large);
  return 0;
}

Parsed<> parse_request(std::string_view bytes, RequestHead& head) {
  const auto line_end = bytes.find('\r');
  if (line_end == 0 || bytes[line_end + 1] != '\n') return refuse(Fault::bad_request_line);
  const auto line = bytes.substr(0, line_end);
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return refuse(Fault::bad_request_line);
  head.method_text = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  if (auto ok = settle_request_line(head); !ok) return ok;
  const auto minor = parse_version(line.substr(last + 1));
  if (!minor) return refuse(minor.error());
  head.minor = *minor;
  if (auto ok = parse_fields(bytes, line_end + 2, head.fields); !ok) return ok;
  if (auto ok = apply_connection(head.fields, head.connection); !ok) return ok;
  return settle_request(head);
}

Parsed<> settle_request_line(RequestHead& head) {
  if (head.method_text.empty() || !all_are(head.method_text, chars::token)) return refuse(Fault::bad_request_line);
  if (head.target.empty() || !all_are(head.target, chars::target)) return refuse(Fault::bad_target);  // S10
  head.method = method_of(head.method_text);
  return {};
}

Parsed<> settle_request(RequestHead& head) {
  if (head.method == Method::connect || head.method == Method::trace) return refuse(Fault::method_refused);
  if (auto ok = settle_authority(head); !ok) return ok;
  if (auto ok = settle_target(head); !ok) return ok;
  settle_upgrade(head);
  return settle_expectation(head);
}

Parsed<> parse_response(std::string_view bytes, ResponseHead& head) {
  const auto line_end = bytes.find('\r');
  if (line_end < 12 || bytes[line_end + 1] != '\n') return refuse(Fault::bad_status_line);
  const auto line = bytes.substr(0, line_end);
  const auto minor = parse_version(line.substr(0, 8));
  if (!minor) return refuse(minor.error());
  head.minor = *minor;
  if (line[8] != ' ') return refuse(Fault::bad_status_line);
  head.status = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return refuse(Fault::bad_status_line);
    head.status = head.status * 10 + (c - '0');
  }
  if (head.status < 100 || head.status > 599) return refuse(Fault::bad_status_line);
  if (line.size() > 12 && line[12] != ' ') return refuse(Fault::bad_status_line);
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  if (!all_are(head.reason, chars::value)) return refuse(Fault::bad_status_line);
  if (auto ok = parse_fields(bytes, line_end + 2, head.fields); !ok) return ok;
  return apply_connection(head.fields, head.connection);
}

Parsed<> parse_trailers(std::string_view bytes, FieldList& fields) { return parse_fields(bytes, 0, fields); }

}  // namespace fleet::http
