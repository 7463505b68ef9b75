// Heads as they go out: written anew from what was parsed, never copied through (S23), with hop-by-hop fields removed
// before our own are added (P1) and exactly one framing field.
#pragma once

#include "http/framing.hpp"
#include "http/writer.hpp"

namespace fleet::http {

// Who asked, for the application. The peer is not trusted: whatever it said about itself is replaced (P8).
struct Client {
  std::string_view address;  // textual, IPv6 without brackets
  bool https = false;
};

// The application gets the target as the client sent it (P11), in HTTP/1.1.
void write_request(Writer& out, const RequestHead& head, const Framing& framing, const Client& client);

struct ResponseRewrite {
  bool redirects = false;          // rewrite Location, Content-Location and Refresh where they name the upstream
  bool https = false;              // the scheme that the client used
  std::string_view authority;      // what the client called us
  std::string_view upstream_port;  // the instance's; it listens on a loopback address
};

// How the connection to the client goes on after this answer.
enum class Persistence : std::uint8_t {
  keep,        // nothing need be said
  keep_alive,  // said, for HTTP/1.0
  close,
};

// `framing`: how the body goes out, which may differ from how it came.
void write_response(Writer& out, const ResponseHead& head, const Framing& framing, Persistence persistence,
                    const ResponseRewrite& rewrite);
// A 1xx.
void write_interim(Writer& out, const ResponseHead& head);

}  // namespace fleet::http
