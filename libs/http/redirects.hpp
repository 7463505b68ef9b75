// URLs in answers that name the application's own address become what the client calls us (P10), and the answer that
// sends a client from http to https.
#pragma once

#include <string>

#include "core/config.hpp"
#include "http/forward.hpp"

namespace fleet::http {

// "http://127.0.0.1:<upstream port>/x" or "http://<authority>/x" -> "<scheme>://<authority>/x". Nothing changes when
// the URL is relative or names any other place.
struct RewrittenUrl {
  std::string_view scheme, authority, rest;  // scheme with "://"; all empty but rest: unchanged
};
RewrittenUrl rewrite_url(std::string_view url, const ResponseRewrite& rewrite);

// A Location, Content-Location or Refresh, rewritten.
void put_rewritten(FieldSink& out, const Field& field, const ResponseRewrite& rewrite);

// Where https_redirect sends this request. `https_port`: of our https listener; 443 is not written.
// The status is 301 for GET and HEAD, and 308 for the others, so that they keep their method and body (RFC 9110 §15.4).
std::string https_location(HttpsRedirect kind, const RequestHead& head, std::uint16_t https_port);
constexpr int https_redirect_status(Method method) {
  return method == Method::get || method == Method::head ? 301 : 308;
}

}  // namespace fleet::http
