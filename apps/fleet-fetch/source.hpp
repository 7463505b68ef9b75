// Where an artifact is to come from, and where a server may send us on to. No I/O.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "core/result.hpp"

namespace fleet::fetch {

constexpr int kMaxRedirects = 5;

struct Source {
  bool local = false;
  std::string path;            // local: absolute
  std::string url;             // remote: without credentials and fragment
  std::string user, password;  // remote: as the URL had them, decoded
  std::string origin;          // remote: "https://host:443"
  std::string shown;           // for messages: without credentials and query
  std::string basename;        // last part of the path, or "artifact" if there is none that could name a file

  bool secure() const { return origin.starts_with("https:"); }
};

// `url` is http, https, file, or an absolute path. Errors: usage.
Result<Source> parse_source(std::string_view url);

// The source that a redirect leads to; `location` may be relative. Refused: anything but http and https, and https to
// http. Credentials go along to the same origin only.
Result<Source> redirected(const Source& from, std::string_view location);

// Whether no artifact may come from this address: link-local (cloud metadata services live there), unspecified,
// multicast.
bool is_refused_address(const sockaddr* address);

}  // namespace fleet::fetch
