#include "http/forward.hpp"

#include <algorithm>
#include <iterator>

#include "http/authority.hpp"
#include "http/chars.hpp"
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
    case FieldId::refresh:
    case FieldId::cdn_loop:
    case FieldId::content_type: return false;
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
    case FieldId::cdn_loop: return true;  // whatever Connection says: it must not be strippable (RFC 8586 §2.1)
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
    case FieldId::refresh:
    case FieldId::content_type: return !is_ours_or_hop_by_hop(field);
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

std::string_view scheme(bool https) { return https ? "https" : "http"; }

// RFC 7239 §4: a value with a colon or brackets is quoted.
void write_element(Writer& out, std::string_view node, std::string_view host, std::string_view proto) {
  const bool v6 = node.find(':') != std::string_view::npos;
  out.put_all("for=", v6 ? "\"[" : "", node, v6 ? "]\"" : "");
  if (!host.empty()) out.put_all(";host=\"", host, "\"");
  if (!proto.empty()) out.put_all(";proto=", proto);
}

void write_forwarded(Writer& out, const RequestHead& head, const Client& client) {
  out.put("Forwarded: ");
  write_element(out, client.address, head.authority, scheme(client.https));
  out.put("\r\n");
}

std::string_view host_of(const RequestHead& head, const Client& client) {
  return client.told->host().empty() ? head.authority : client.told->host();
}

// Every hop before the peer, as it was told, then the peer.
void write_hops(Writer& out, const RequestHead& head, const Client& client) {
  const auto& told = *client.told;
  out.put("X-Forwarded-For: ");
  for (const auto& hop : told.hops()) out.put_all(hop.ip ? hop.node : kUnknownClient, ", ");
  out.put_all(client.address, "\r\nForwarded: ");
  for (const auto& hop : told.hops()) {
    const bool is_client = &hop == &told.hops()[told.client_hop()];
    if (!hop.element.empty())
      out.put(hop.element);
    else
      write_element(out, hop.node, is_client ? host_of(head, client) : "", is_client ? scheme(told.https()) : "");
    out.put(", ");
  }
  write_element(out, client.address, head.authority, scheme(client.https));
  out.put("\r\n");
}

// What the first trusted proxy was asked for; the hops after the client's are nobody's business.
void write_told_fields(Writer& out, const RequestHead& head, const Client& client) {
  const auto& told = *client.told;
  write_hops(out, head, client);
  if (told.address() != kUnknownClient) out.put_all("X-Real-IP: ", told.address(), "\r\n");
  out.put_all("X-Forwarded-Proto: ", scheme(told.https()), "\r\n");
  const auto host = host_of(head, client);
  auto port = told.port();
  if (!host.empty()) {
    out.put_all("X-Forwarded-Host: ", host, "\r\n");
    const auto parts = split_authority(host);
    if (port.empty() && parts) port = parts->port;
  }
  if (port.empty()) port = told.https() ? "443" : "80";
  out.put_all("X-Forwarded-Port: ", port, "\r\n");
}

void write_client_fields(Writer& out, const RequestHead& head, const Client& client) {
  if (!client.node.empty()) out.put_all("CDN-Loop: ", client.node, "\r\n");
  if (client.told) return write_told_fields(out, head, client);
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

bool takes_trailers(const RequestHead& head) {
  for (const auto& field : head.fields) {
    if (field.id != FieldId::te) continue;
    bool found = false;
    for_each_element(field.value, [&](std::string_view coding) { found |= iequals(coding, "trailers"); });
    if (found) return true;
  }
  return false;
}

void write_field(Writer& out, const Field& field) { out.put_all(field.name, ": ", field.value, "\r\n"); }

class FieldLines final : public FieldSink {
 public:
  explicit FieldLines(Writer& out) : out_(out) {}
  void put(std::string_view name, std::string_view value) override { out_.put_all(name, ": ", value, "\r\n"); }

 private:
  Writer& out_;
};

}  // namespace

void write_request(Writer& out, const RequestHead& head, const Framing& framing, const Client& client,
                   const RequestChanges& changes) {
  const auto* edits = changes.edits;
  const auto target = changes.target.empty() ? head.target : changes.target;
  const auto host = edits == nullptr || edits->host().empty() ? head.authority : edits->host();
  out.put_all(head.method_text, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n");
  FieldLines lines(out);
  for (const auto& field : head.fields) {
    if (goes_to_application(field) && !(edits && edits->take(field, lines))) write_field(out, field);
  }
  if (edits) edits->add(lines);
  if (head.expects_continue) out.put("Expect: 100-continue\r\n");
  write_framing(out, framing);
  if (!head.upgrade.empty() && framing.kind == BodyKind::none) {
    out.put_all("Connection: Upgrade\r\nUpgrade: ", head.upgrade, "\r\n");
  } else if (takes_trailers(head)) {
    out.put("TE: trailers\r\nConnection: TE\r\n");
  }
  write_client_fields(out, head, client);
  out.put("\r\n");
}

void pass_response_fields(FieldSink& out, const ResponseHead& head, const ResponseRewrite& rewrite) {
  for (const auto& field : head.fields) {
    if (is_ours_or_hop_by_hop(field) || (rewrite.edits && rewrite.edits->take(field, out))) continue;
    const bool names_url =
        field.id == FieldId::location || field.id == FieldId::content_location || field.id == FieldId::refresh;
    if (names_url && rewrite.redirects) {
      put_rewritten(out, field, rewrite);
    } else {
      out.put(field.name, field.value);
    }
  }
  if (rewrite.edits) rewrite.edits->add(out);
}

void write_response(Writer& out, const ResponseHead& head, const Framing& framing, Persistence persistence,
                    const ResponseRewrite& rewrite) {
  write_status_line(out, head);
  FieldLines lines(out);
  pass_response_fields(lines, head, rewrite);
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
  FieldLines lines(out);
  pass_response_fields(lines, head, {});
  const auto* upgrade = head.fields.find(FieldId::upgrade);
  if (head.status == 101 && upgrade) write_field(out, *upgrade);
  out.put(head.status == 101 ? "Connection: Upgrade\r\n\r\n" : "\r\n");
}

bool passes_as_trailer(const Field& field) {
  static constexpr std::string_view kNever[] = {"authorization",       "proxy-authorization", "www-authenticate",
                                                "proxy-authenticate",  "cookie",              "set-cookie",
                                                "content-encoding",    "content-type",        "content-range",
                                                "cache-control",       "max-forwards",        "range",
                                                "authentication-info", "age",                 "date",
                                                "expires",             "retry-after",         "vary"};
  if (field.id != FieldId::other || field.name.find('_') != std::string_view::npos) return false;
  return std::none_of(std::begin(kNever), std::end(kNever), [&](auto never) { return iequals(field.name, never); });
}

void pass_trailers(FieldSink& out, const FieldList& trailers) {
  for (const auto& field : trailers) {
    if (passes_as_trailer(field)) out.put(field.name, field.value);
  }
}

void write_last_chunk(Writer& out, const FieldList* trailers) {
  out.put("0\r\n");
  FieldLines lines(out);
  if (trailers) pass_trailers(lines, *trailers);
  out.put("\r\n");
}

}  // namespace fleet::http
