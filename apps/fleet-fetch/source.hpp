// Where an artifact is to come from, and where a server may send us on to. No I/O.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

constexpr int kMaxRedirects = 5;

struct Source {
  bool local = false;
  bool s3 = false;             // of s3://BUCKET/KEY
  std::string path;            // local: absolute
  std::string url;             // remote: without credentials and fragment
  std::string user, password;  // remote: as the URL had them, decoded
  std::string origin;          // remote: "https://host:443"
  std::string shown;           // for messages: without credentials and query
  std::string basename;        // last part of the path, or "artifact" if there is none that could name a file
  std::string authorization;   // remote: a header's value; empty: none
  std::string sigv4;           // remote: what libcurl signs with user and password by; empty: does not
  std::string session_token;   // with sigv4

  bool secure() const { return origin.starts_with("https:"); }
  // Whoever is on the way may have put anything in the place of what was asked for.
  bool is_plain() const { return !local && !secure(); }
};

// What is secret for the job's own URL.
struct Credentials {
  std::string authorization;
  wire::S3Access s3;
  std::string netrc = {};  // for the host of any URL that says nobody itself
};

// `url` is http, https, s3, file, or an absolute path. Errors: usage.
Result<Source> parse_source(std::string_view url, const Credentials& credentials = {});

// The source that a redirect leads to; `location` may be relative. Refused: anything but http and https, and https to
// http. Credentials go along to the same origin only.
Result<Source> redirected(const Source& from, std::string_view location);

// What a pointer leads to; `url` may be relative to where it was found. Refused: from a server to a file, and to s3 from
// anywhere else. Credentials as for a redirect.
Result<Source> pointed(const Source& from, std::string_view url, const Credentials& credentials);

// The file of the same name with `suffix`.
Source beside(const Source& source, std::string_view suffix);

// Whether no artifact may come from this address: link-local (cloud metadata services live there), unspecified,
// multicast.
bool is_refused_address(const sockaddr* address);

}  // namespace fleet::fetch
