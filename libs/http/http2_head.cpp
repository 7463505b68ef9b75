#include "http/http2_head.hpp"

#include <utility>
#include <algorithm>
#include <iterator>

#include "http/chars.hpp"

namespace fleet::http {
namespace {

// RFC 9113 §8.2.2: what concerns one connection of HTTP/1.1 has no place here.
bool is_connection_specific(const Field& field) {
  static constexpr FieldId kNever[] = {FieldId::connection, FieldId::transfer_encoding, FieldId::keep_alive,
                                       FieldId::proxy_connection, FieldId::upgrade};
  if (field.id == FieldId::te) return !iequals(field.value, "trailers");
  return std::find(std::begin(kNever), std::end(kNever), field.id) != std::end(kNever);
}

bool is_lower_case_token(std::string_view name) {
  return !name.empty() && all_are(name, chars::token) &&
         std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

void Http2Head::clear() {
  text_.resize(1);
  lines_.clear();
  std::fill(std::begin(pseudo_), std::end(pseudo_), Piece());
  list_size_ = cookies_ = 0;
  malformed_ = too_many_ = false;
}

void Http2Head::add(std::string_view name, std::string_view value) {
  list_size_ += name.size() + value.size() + 32;
  if (list_size_ > kMaxList) return;
  if (!all_are(value, chars::value) || trim(value).size() != value.size()) malformed_ = true;
  if (name.starts_with(':')) return add_pseudo(name, value);
  if (!is_lower_case_token(name)) malformed_ = true;
  if (name == "cookie") ++cookies_;
  if (lines_.size() >= kMaxFields + cookies_) {
    too_many_ = true;
    return;
  }
  const auto kept = keep(name);
  lines_.push_back({kept, keep(value)});
}

void Http2Head::add_pseudo(std::string_view name, std::string_view value) {
  static constexpr std::string_view kNames[kPseudos] = {":method", ":scheme", ":authority", ":path", ":protocol"};
  const auto found = std::find(std::begin(kNames), std::end(kNames), name);
  const auto which = static_cast<std::size_t>(found - std::begin(kNames));
  if (which == kPseudos || pseudo_[which].at != 0 || !lines_.empty()) {
    malformed_ = true;
    return;
  }
  pseudo_[which] = keep(value);
}

Http2Head::Piece Http2Head::keep(std::string_view text) {
  const Piece piece{text_.size(), text.size()};
  text_.append(text);
  return piece;
}

// RFC 9113 §8.2.3
Http2Head::Piece Http2Head::joined_cookies() {
  std::string joined;
  for (const auto& line : lines_) {
    if (view(line.name) != "cookie") continue;
    if (!joined.empty()) joined.append("; ");
    joined.append(view(line.value));
  }
  return keep(joined);
}

Parsed<> Http2Head::settle_fields(RequestHead& head) {
  const auto cookies = cookies_ > 1 ? joined_cookies() : Piece();
  bool cookies_added = false;
  head.fields.clear();
  for (const auto& line : lines_) {
    if (head.fields.full()) return refuse(Fault::too_many_fields);
    const auto name = view(line.name);
    if (cookies_ > 1 && name == "cookie") {
      if (!std::exchange(cookies_added, true)) head.fields.add(name, view(cookies));
      continue;
    }
    head.fields.add(name, view(line.value));
  }
  for (const auto& field : head.fields) {
    if (is_connection_specific(field)) return refuse(Fault::bad_field);
  }
  return {};
}

Parsed<> Http2Head::settle(RequestHead& head, std::string_view websocket_key) {
  if (malformed_) return refuse(Fault::bad_field);
  if (list_size_ > kMaxList) return refuse(Fault::head_too_large);
  if (too_many_) return refuse(Fault::too_many_fields);
  if (!has(method) || !has(path) || !has(scheme)) return refuse(Fault::bad_request_line);
  if (auto ok = settle_fields(head); !ok) return ok;
  const bool tunnel = has(protocol);
  if (tunnel && view(method) != "CONNECT") return refuse(Fault::bad_request_line);
  if (tunnel && view(protocol) != "websocket") return refuse(Fault::unsupported_protocol);
  head.method_text = tunnel ? std::string_view("GET") : view(method);
  head.target = view(path);
  head.minor = 1;
  head.connection = {};
  if (view(scheme) != "https" && view(scheme) != "http") return refuse(Fault::bad_target);
  if (!head.target.starts_with('/') && head.target != "*") return refuse(Fault::bad_target);
  const auto* host = head.fields.find(FieldId::host);
  if (has(authority) && host && !iequals(host->value, view(authority))) return refuse(Fault::bad_host);
  if (has(authority) && !host) {
    if (head.fields.full()) return refuse(Fault::too_many_fields);
    head.fields.add("host", view(authority));
  }
  if (auto ok = settle_request_line(head); !ok) return ok;
  if (auto ok = settle_request(head); !ok) return ok;
  if (!tunnel) return {};
  if (head.fields.full()) return refuse(Fault::too_many_fields);
  head.fields.add("sec-websocket-key", websocket_key);
  head.upgrade = view(protocol);
  return {};
}

Parsed<Framing> http2_request_framing(const RequestHead& head, bool ended) {
  auto framing = request_framing(head);
  if (!framing) return framing;
  if (!head.upgrade.empty() || ended) {
    // DATA of a tunnel is no body; a length without a body is a lie (RFC 9113 §8.1.1).
    if (framing->kind == BodyKind::length && framing->length > 0) return refuse(Fault::bad_length);
  } else if (framing->kind == BodyKind::none) {
    framing->kind = BodyKind::chunked;
  }
  return framing;
}

}  // namespace fleet::http
