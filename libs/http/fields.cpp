#include "http/fields.hpp"

#include "http/chars.hpp"

namespace fleet::http {

FieldId field_id(std::string_view name) {
  const auto is = [name](std::string_view known) { return iequals(name, known); };
  switch (name.size()) {
    case 2: return is("te") ? FieldId::te : FieldId::other;
    case 4: return is("host") ? FieldId::host : FieldId::other;
    case 5: return is("proxy") ? FieldId::proxy : FieldId::other;
    case 6: return is("expect") ? FieldId::expect : FieldId::other;
    case 7:
      if (is("upgrade")) return FieldId::upgrade;
      if (is("trailer")) return FieldId::trailer;
      if (is("refresh")) return FieldId::refresh;
      break;
    case 8:
      if (is("location")) return FieldId::location;
      if (is("cdn-loop")) return FieldId::cdn_loop;
      break;
    case 9:
      if (is("forwarded")) return FieldId::forwarded;
      if (is("x-real-ip")) return FieldId::x_real_ip;
      break;
    case 10:
      if (is("connection")) return FieldId::connection;
      if (is("keep-alive")) return FieldId::keep_alive;
      break;
    case 12: return is("content-type") ? FieldId::content_type : FieldId::other;
    case 14:
      if (is("content-length")) return FieldId::content_length;
      if (is("http2-settings")) return FieldId::http2_settings;
      break;
    case 15:
      if (is("x-forwarded-for")) return FieldId::x_forwarded;
      break;
    case 16:
      if (is("proxy-connection")) return FieldId::proxy_connection;
      if (is("x-forwarded-host") || is("x-forwarded-port")) return FieldId::x_forwarded;
      if (is("content-location")) return FieldId::content_location;
      break;
    case 17:
      if (is("transfer-encoding")) return FieldId::transfer_encoding;
      if (is("x-forwarded-proto")) return FieldId::x_forwarded;
      break;
    case 18: return is("x-forwarded-prefix") ? FieldId::x_forwarded : FieldId::other;
    default: break;
  }
  return istarts_with(name, "x-fleet-") ? FieldId::x_fleet : FieldId::other;
}

}  // namespace fleet::http
