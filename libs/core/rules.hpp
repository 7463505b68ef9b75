// What is done to the requests of a path besides passing them on: one value for the configuration, the routing table and
// the worker. Every default changes nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "core/names.hpp"

namespace fleet {

// What a path that matches becomes.
struct Rewrite {
  std::string match;         // RE2, searched for in the decoded path
  std::string to;            // a template, see libs/route/template.hpp; empty: the request is refused
  std::uint32_t status = 0;  // of the redirect or the refusal; 0: the application gets the new path
  FLEET_FIELDS(Rewrite, match, to, status)
};

// Removed first, then set (in place of all of that name), then added. Values are templates.
struct HeaderEdits {
  std::map<std::string, std::string> set, add;
  std::vector<std::string> remove;
  FLEET_FIELDS(HeaderEdits, set, add, remove)
};

struct Maintenance {
  bool enabled = false;
  std::string page;  // a file; empty: plain text
  std::chrono::milliseconds retry_after{300000};
  std::vector<std::string> exempt;  // CIDR blocks
  FLEET_FIELDS(Maintenance, enabled, page, retry_after, exempt)
};

struct ErrorPages {
  std::map<std::string, std::string> pages;  // "404" or "5xx" -> file
  bool intercept = false;                    // in place of the application's answers too
  FLEET_FIELDS(ErrorPages, pages, intercept)
};

struct BasicAuth {
  bool enabled = true;
  std::string users;  // a file of user:hash lines; empty: nobody is asked
  std::string realm = "restricted";
  FLEET_FIELDS(BasicAuth, enabled, users, realm)
};

// deny wins; where anything is in allow, nobody else is let in.
struct AccessLists {
  std::vector<std::string> allow, deny;  // CIDR blocks
  FLEET_FIELDS(AccessLists, allow, deny)
};

// Strict-Transport-Security, on answers over https only.
struct Hsts {
  std::chrono::milliseconds max_age{0};  // 0: not said
  bool include_subdomains = false, preload = false;
  FLEET_FIELDS(Hsts, max_age, include_subdomains, preload)
};

// Set-Cookie of the application; an empty replacement removes the attribute.
struct CookieRules {
  bool secure = false;                        // add Secure, on answers over https
  std::map<std::string, std::string> domain;  // Domain -> another
  std::map<std::string, std::string> path;    // prefix of Path -> another
  FLEET_FIELDS(CookieRules, secure, domain, path)
};

enum class HttpsRedirect : std::uint8_t { off, same_uri, home };
FLEET_NAMES(HttpsRedirect, "off", "same-uri", "home")

// What %2F in a path is taken for.
enum class EncodedSlash : std::uint8_t { separator, data, refuse };
FLEET_NAMES(EncodedSlash, "separator", "data", "refuse")

struct Rules {
  std::string path = "/";  // prefix, whole segments
  bool strip_path = false;
  std::string canonical_host;
  std::vector<Rewrite> rewrites;  // the first that matches, once
  HeaderEdits request_headers, response_headers;
  std::uint64_t max_body = 0;  // bytes; 0: unlimited
  std::chrono::milliseconds first_byte_timeout{0}, idle_timeout{0}, tunnel_timeout{0};  // 0: the worker's own
  Maintenance maintenance;
  ErrorPages errors;
  BasicAuth auth;
  AccessLists access;
  Hsts hsts;
  CookieRules cookies;
  EncodedSlash encoded_slash = EncodedSlash::separator;
  std::optional<HttpsRedirect> https_redirect;  // absent: as of the whole app
  std::optional<bool> rewrite_redirects;        // likewise
  FLEET_FIELDS(Rules, path, strip_path, canonical_host, rewrites, request_headers, response_headers, max_body,
               first_byte_timeout, idle_timeout, tunnel_timeout, maintenance, errors, auth, access, hsts, cookies,
               encoded_slash, https_redirect, rewrite_redirects)
};

}  // namespace fleet
