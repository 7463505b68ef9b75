// URLs in answers that name the application's own address become what the client calls us (P10).
#pragma once

#include "http/forward.hpp"

namespace fleet::http {

// "http://127.0.0.1:<upstream port>/x" or "http://<authority>/x" -> "<scheme>://<authority><prefix>/x", and where there is
// a prefix "/x" -> "<prefix>/x". Nothing changes when the URL is relative otherwise, names any other place, or has the
// prefix already.
struct RewrittenUrl {
  std::string_view scheme, authority, prefix, rest;  // scheme with "://"; all empty but rest: unchanged
};
RewrittenUrl rewrite_url(std::string_view url, const ResponseRewrite& rewrite);

// A Location, Content-Location or Refresh, rewritten.
void put_rewritten(FieldSink& out, const Field& field, const ResponseRewrite& rewrite);

}  // namespace fleet::http
