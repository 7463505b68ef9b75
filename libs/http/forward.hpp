// Heads as they go out: written anew from what was parsed, never copied through (S23), with hop-by-hop fields removed
// before our own are added (P1) and exactly one framing field.
#pragma once

#include "http/edits.hpp"
#include "http/forwarded.hpp"
#include "http/framing.hpp"
#include "http/writer.hpp"

namespace fleet::http {

// Who asked, for the application. Whatever an untrusted peer says about itself is replaced (P8).
struct Client {
  std::string_view address;          // the peer's: textual, IPv6 without brackets
  bool https = false;                // how the peer speaks to us
  const Provenance* told = nullptr;  // by a trusted peer
  std::string_view node = {};        // our name in CDN-Loop (P3); empty: none
};

// What rules make of a request.
struct RequestChanges {
  std::string_view target = {};       // empty: as the client sent it (P11)
  const FieldEdits* edits = nullptr;  // null: none
};

// In HTTP/1.1; an upgrade only where there is no body (P7).
void write_request(Writer& out, const RequestHead& head, const Framing& framing, const Client& client,
                   const RequestChanges& changes = {});

struct ResponseRewrite {
  bool redirects = false;          // rewrite Location, Content-Location and Refresh where they name the upstream
  bool https = false;              // the scheme that the client used
  std::string_view authority;      // what the client called us
  std::string_view upstream_port;  // the instance's; it listens on a loopback address
  std::string_view prefix = {};       // that the application does not know of: paths in redirects are given it (P10)
  const FieldEdits* edits = nullptr;  // null: none
};

// How the connection to the client goes on after this answer.
enum class Persistence : std::uint8_t {
  keep,        // nothing need be said
  keep_alive,  // said, for HTTP/1.0
  close,
};

// The fields of an answer that go to the client (P1, P10), whatever form its head goes out in.
void pass_response_fields(FieldSink& out, const ResponseHead& head, const ResponseRewrite& rewrite);

// `framing`: how the body goes out, which may differ from how it came.
void write_response(Writer& out, const ResponseHead& head, const Framing& framing, Persistence persistence,
                    const ResponseRewrite& rewrite);
// A 1xx; 101 with what it upgrades to.
void write_interim(Writer& out, const ResponseHead& head);

// P6: fields that would change framing, routing or rights do not pass as trailers.
bool passes_as_trailer(const Field& field);
void pass_trailers(FieldSink& out, const FieldList& trailers);
// The end of a chunked body. `trailers` may be null.
void write_last_chunk(Writer& out, const FieldList* trailers);

}  // namespace fleet::http
