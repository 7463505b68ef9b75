// What becomes of a request, decided once, when its head is complete and its route is known: answered here, or passed on to
// the application, perhaps with another target. Pure but for the passwords that `logins` remembers.
//
// In this order: https and canonical host, addresses, maintenance, passwords, rewrites, size. So nothing about a path
// shows to those who may not see it, and no password is asked for where it would travel in the clear.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.hpp"
#include "http/framing.hpp"
#include "http/head.hpp"
#include "route/logins.hpp"
#include "route/path.hpp"
#include "route/rules.hpp"

namespace fleet::route {

// Where a request has been found to belong.
struct Place {
  std::string_view app;
  HttpsRedirect https_redirect = HttpsRedirect::off;  // unless the rules say otherwise
  const CompiledRules* rules = nullptr;  // null: there are none
  std::string_view host;                 // as matching_host() makes it
  MatchingPath path;                     // with EncodedSlash::separator
};

struct Asked {
  const http::RequestHead& head;
  const http::Framing& framing;
  IpAddress address;                // of the client
  std::string_view address_text;
  bool https = false;
  std::uint16_t https_port = 443;   // where redirects to https lead
  Logins::Time now{};
};

// Which key of the configuration decided.
enum class Because : std::uint8_t {
  nothing, https_redirect, canonical_host, encoded_slash, access, maintenance, auth, rewrite, strip_path, max_body,
};
FLEET_NAMES(Because, "nothing", "https_redirect", "canonical_host", "encoded_slash", "access", "maintenance", "auth",
            "rewrite", "strip_path", "max_body")

struct Decision {
  int status = 0;              // of the answer; 0: to the application
  std::string_view reason;     // reason code of an error; empty for a redirect
  std::string location;        // of a redirect
  std::string target;          // for the application; empty: as the client sent it
  std::uint32_t retry_after = 0;          // seconds; 0: not said
  const std::string* page = nullptr;      // its body, within the rules; null: none
  bool challenge = false;      // with WWW-Authenticate
  Because because = Because::nothing;
  std::size_t rewrite = 0;     // the place of the rewrite that did it
  std::string user;            // whose password was right; empty: nobody's, or none was asked for
};

Decision decide(const Place& place, const Asked& asked, Logins& logins);

// What other rules, those of the path that a rewrite has led to, say of who may come in and when: a rewrite is no way
// around a list of addresses or a password.
Decision admit(const CompiledRules& rules, const Asked& asked, Logins& logins);

// The values that templates of this request are filled with; views into what is given.
Values values_of(const Place& place, const Asked& asked);

}  // namespace fleet::route
