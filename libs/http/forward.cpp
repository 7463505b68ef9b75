#include "http/forward.hpp"

#include "http/authority.hpp"
#include "http/redirects.hpp"

namespace fleet::http {
namespace {

// Fields that concern one connection only (P1, RFC 9110 §7.6.1), or that we write ourselves.
bool is_ours_or_hop_by_hop(const Field& field) {
  if (field.named_by_connection) return true;
  switch (field.id) {
    case FieldId::connection:
    case FieldId::content_length:
    case FieldId::transfer_encoding:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::trailer:
    case FieldId::upgrade:
    case FieldId::http2_settings:
    case FieldId::x_fleet: return true;
    case FieldId::other:
    case FieldId::host:
    case FieldId::expect:
    case FieldId::forwarded:
    case FieldId::x_forwarded:
    case FieldId::x_real_ip:
    case FieldId::proxy:
    case FieldId::location:
    case FieldId::content_location:
    case FieldId::refresh: return false;
  }
  return false;
}

bool goes_to_application(const Field& field) {
  switch (field.id) {
    case FieldId::host:
    case FieldId::expect:
    case FieldId::forwarded:
    case FieldId::x_forwarded:
    case FieldId::x_real_ip:
    case FieldId::proxy: return false;
    // S18: many applications cannot tell X_Real_IP from X-Real-IP
    case FieldId::other: return field.name.find('_') == std::string_view::npos && !is_ours_or_hop_by_hop(field);
    case FieldId::connection:
    case FieldId::content_length:
    case FieldId::transfer_encoding:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::trailer:
    case FieldId::upgrade:
    case FieldId::http2_settings:
    case FieldId::x_fleet:
    case FieldId::location:
    case FieldId::content_location:
    case FieldId::refresh: return !is_ours_or_hop_by_hop(field);
  }
  return false;
}

void write_framing(Writer& out, const Framing& framing) {
  if (framing.kind == BodyKind::chunked) {
    out.put("Transfer-Encoding: chunked\r\n");
  } else if (framing.kind == BodyKind::length || framing.length_told) {
    out.put("Content-Length: ");
    out.put_number(framing.length);
    out.put("\r\n");
  }
}

// RFC 7239 §4: a value with a colon or brackets is quoted.
void write_forwarded(Writer& out, const RequestHead& head, const Client& client) {
  const bool v6 = client.address.find(':') != std::string_view::npos;
  const auto address_open = v6 ? std::string_view("\"[") : std::string_view();
  const auto address_close = v6 ? std::string_view("]\"") : std::string_view();
  out.put_all("Forwarded: for=", address_open, client.address, address_close);
  if (!head.authority.empty()) out.put_all(";host=\"", head.authority, "\"");
  out.put_all(";proto=", client.https ? "https" : "http", "\r\n");
}

void write_client_fields(Writer& out, const RequestHead& head, const Client& client) {
  out.put_all("X-Forwarded-For: ", client.address, "\r\nX-Real-IP: ", client.address, "\r\n");
  out.put_all("X-Forwarded-Proto: ", client.https ? "https" : "http", "\r\n");
  std::string_view port = client.https ? "443" : "80";
  if (!head.authority.empty()) {
    out.put_all("X-Forwarded-Host: ", head.authority, "\r\n");
    const auto parts = split_authority(head.authority);
    if (parts && !parts->port.empty()) port = parts->port;
  }
  out.put_all("X-Forwarded-Port: ", port, "\r\n");
  write_forwarded(out, head, client);
}

void write_status_line(Writer& out, const ResponseHead& head) {
  out.put("HTTP/1.1 ");
  out.put_number(static_cast<std::uint64_t>(head.status));
  out.put_all(" ", head.reason, "\r\n");
}

void write_field(Writer& out, const Field& field) { out.put_all(field.name, ": ", field.value, "\r\n"); }

}  // namespace

void write_request(Writer& out, const RequestHead& head, const Framing& framing, const Client& client) {
  out.put_all(head.method_text, " ", head.target, " HTTP/1.1\r\nHost: ", head.authority, "\r\n");
  for (const auto& field : head.fields) {
    if (goes_to_application(field)) write_field(out, field);
  }
  if (head.expects_continue) out.put("Expect: 100-continue\r\n");
  write_framing(out, framing);
  write_client_fields(out, head, client);
  out.put("\r\n");
}

void write_response(Writer& out, const ResponseHead& head, const Framing& framing, Persistence persistence,
                    const ResponseRewrite& rewrite) {
  write_status_line(out, head);
  for (const auto& field : head.fields) {
    if (is_ours_or_hop_by_hop(field)) continue;
    const bool names_url =
        field.id == FieldId::location || field.id == FieldId::content_location || field.id == FieldId::refresh;
    if (names_url && rewrite.redirects) {
      write_rewritten(out, field, rewrite);
    } else {
      write_field(out, field);
    }
  }
  write_framing(out, framing);
  switch (persistence) {
    case Persistence::keep: break;
    case Persistence::keep_alive: out.put("Connection: keep-alive\r\n"); break;
    case Persistence::close: out.put("Connection: close\r\n"); break;
  }
  out.put("\r\n");
}

void write_interim(Writer& out, const ResponseHead& head) {
  write_status_line(out, head);
  for (const auto& field : head.fields) {
    if (!is_ours_or_hop_by_hop(field)) write_field(out, field);
  }
  out.put("\r\n");
}

}  // namespace fleet::http
