// Who may ask what, decided from the head of a request alone. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/http.hpp"
#include "core/result.hpp"

namespace fleet::api {

// Of one listener.
struct Policy {
  std::string token_digest;  // SHA-256 of the bearer token, 32 bytes; empty: there is none
  std::string own_name;      // this machine's, a Host that is right on plain TCP
};

std::string sha256(std::string_view bytes);  // 32 raw bytes

// True if `authorization` is "Bearer <the token>". Takes as long for a wrong token as for the right one.
bool bears_token(std::string_view authorization, const std::string& token_digest);

struct Refusal {
  unsigned status;
  Error error;
};

// What a browser must not be talked into: a foreign Origin; on plain TCP a Host that is a name of somebody else's (DNS
// rebinding; an address cannot be rebound, and over TLS the certificate speaks against it); a body that a form can
// send.
std::optional<Refusal> refuse_foreign(const Request& head, const Policy& policy);

// Whether a peer on a unix socket may do all: root, `owner`, or a member of the socket's `group`.
bool has_operator_rights(unsigned uid, std::span<const unsigned> groups, unsigned owner, unsigned group);

}  // namespace fleet::api
