#include "source.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "netrc.hpp"
#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kLongestUrl = 8192;
constexpr std::string_view kS3 = "s3://";

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string part(const Url& url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), which, &text, flags) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

bool can_name_a_file(std::string_view name) {
  const auto is_bad = [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/' || c == '\\'; };
  return !name.empty() && name != "." && name != ".." && name.size() <= 200 && is_utf8(name) &&
         std::none_of(name.begin(), name.end(), is_bad);
}

std::string basename_of(std::string_view path) {
  const auto last = path.substr(path.rfind('/') + 1);
  return can_name_a_file(last) ? std::string(last) : "artifact";
}

Result<Source> local_source(std::string path) {
  if (!path.starts_with('/') || path.find('\0') != path.npos)
    return fail(ErrorKind::usage, "malformed file path: " + printable(path));
  Source out;
  out.local = true;
  out.shown = printable(path);
  out.basename = basename_of(path);
  out.path = std::move(path);
  return out;
}

Source remote_source(const Url& url, const std::string& scheme, const Credentials& credentials) {
  Source out;
  out.authorization = credentials.authorization;
  out.user = part(url, CURLUPART_USER, CURLU_URLDECODE);
  out.password = part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
  if (const auto login = login_for(credentials.netrc, part(url, CURLUPART_HOST));
      login && out.user.empty() && out.password.empty()) {
    out.user = login->user;
    out.password = login->password;
  }
  out.origin = scheme + "://" + part(url, CURLUPART_HOST) + ":" + part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::transform(out.origin.begin(), out.origin.end(), out.origin.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  out.basename = basename_of(part(url, CURLUPART_PATH, CURLU_URLDECODE));
  for (const auto secret : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT}) {
    curl_url_set(url.get(), secret, nullptr, 0);
  }
  out.url = part(url, CURLUPART_URL);
  curl_url_set(url.get(), CURLUPART_QUERY, nullptr, 0);
  out.shown = printable(part(url, CURLUPART_URL));
  return out;
}

// What may be said of a URL that could not be parsed: it may have credentials anywhere.
std::string before_secrets(std::string_view url) {
  const auto scheme = url.find("://");
  return scheme == url.npos ? "the URL" : printable(url.substr(0, scheme)) + "://…";
}

// A relative `text` is resolved against what the URL was before.
CURLUcode set_url(const Url& url, std::string_view text, unsigned flags = 0) {
  if (text.find('\0') != text.npos) return CURLUE_MALFORMED_INPUT;
  return curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), flags | CURLU_NON_SUPPORT_SCHEME);
}

Result<Source> source_of(const Url& url, const Credentials& credentials) {
  const std::string scheme = part(url, CURLUPART_SCHEME);
  if (scheme == "file") return local_source(part(url, CURLUPART_PATH, CURLU_URLDECODE));
  if (scheme == "http" || scheme == "https") return remote_source(url, scheme, credentials);
  return fail(ErrorKind::usage, "cannot fetch by " + printable(scheme) + " (http, https, s3, file or an absolute path)");
}

bool is_unreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

bool is_bucket(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && name.front() != '.' && name.back() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

// As S3 wants it in what is signed; a key is text and has no escapes of its own.
std::string encoded_key(std::string_view key) {
  std::string out;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_unreserved(byte) || c == '/') out += c;
    else out += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
  }
  return out;
}

bool has_dot_segment(std::string_view path) {
  const auto bounded = "/" + std::string(path) + "/";
  return bounded.find("/../") != bounded.npos || bounded.find("/./") != bounded.npos;
}

// ENDPOINT/BUCKET/KEY, since not every store knows names of hosts that begin with a bucket.
Result<Source> s3_source(std::string_view text, const wire::S3Access& access) {
  const auto rest = text.substr(kS3.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto bucket = rest.substr(0, slash), key = rest.substr(std::min(slash + 1, rest.size()));
  if (!is_bucket(bucket) || key.empty() || has_dot_segment(key)) {
    return fail(ErrorKind::usage, "not like s3://BUCKET/KEY: " + printable(text));
  }
  if (access.key_id.empty() != access.secret.empty()) {
    return fail(ErrorKind::usage, "the credentials for s3 have no key id, or no secret");
  }
  const auto endpoint = access.endpoint.empty() ? "https://s3." + access.region + ".amazonaws.com" : access.endpoint;
  TRY(Source out, parse_source(endpoint + "/" + std::string(bucket) + "/" + encoded_key(key)));
  out.s3 = true;
  out.shown = printable(text);
  out.basename = basename_of(key);
  if (access.key_id.empty()) return out;  // a public bucket
  out.user = access.key_id;
  out.password = access.secret;
  out.session_token = access.session_token;
  out.sigv4 = "aws:amz:" + access.region + ":s3";
  return out;
}

void keep_secrets(Source& to, const Source& from) {
  const bool same = to.origin == from.origin;
  if (to.user.empty() && to.password.empty()) {
    to.user = same ? from.user : "";
    to.password = same ? from.password : "";
    to.sigv4 = same ? from.sigv4 : "";
    to.session_token = same ? from.session_token : "";
  }
  to.authorization = same ? from.authorization : "";
}

}  // namespace

Result<Source> parse_source(std::string_view text, const Credentials& credentials) {
  if (text.size() > kLongestUrl) return fail(ErrorKind::usage, "the build URL is longer than 8192 bytes");
  if (text.starts_with('/')) return local_source(std::string(text));
  if (text.starts_with(kS3)) return s3_source(text, credentials.s3);
  if (text.find("://") == text.npos) {
    return fail(ErrorKind::usage, "not an absolute path or URL: " + printable(text));
  }
  const Url url(curl_url(), curl_url_cleanup);
  if (const CURLUcode code = set_url(url, text); code != CURLUE_OK) {
    return fail(ErrorKind::usage, "malformed URL: " + before_secrets(text) + ": " + curl_url_strerror(code));
  }
  return source_of(url, credentials);
}

Result<Source> redirected(const Source& from, std::string_view location) {
  const auto refused = [&](const std::string& why) {
    return fail(ErrorKind::fetch, from.shown + ": the server redirects " + why);
  };
  const Url url(curl_url(), curl_url_cleanup);
  const bool is_url = location.size() <= kLongestUrl && set_url(url, from.url) == CURLUE_OK &&
                      set_url(url, location, CURLU_URLENCODE) == CURLUE_OK;
  auto to = is_url ? source_of(url, {}) : fail(ErrorKind::fetch, "");
  if (!to) return refused("to what is no http or https URL");
  if (to->local) return refused("to a local file; refused");
  if (from.secure() && !to->secure()) return refused("from https to http; refused");
  to->user = to->password = "";  // a server does not choose what we say who we are
  keep_secrets(*to, from);
  to->basename = from.basename;
  return to;
}

Result<Source> pointed(const Source& from, std::string_view text, const Credentials& credentials) {
  const auto refused = [&](const std::string& why) {
    return fail(ErrorKind::verify, from.shown + ": it points " + why);
  };
  if (from.local) {
    const bool is_relative = !text.starts_with('/') && text.find("://") == text.npos;
    if (!is_relative) return parse_source(text, credentials);
    return parse_source(from.path.substr(0, from.path.rfind('/') + 1) + std::string(text));
  }
  if (text.starts_with(kS3)) {
    return from.s3 ? parse_source(text, credentials) : refused("to s3, but does not come from there; refused");
  }
  const Url url(curl_url(), curl_url_cleanup);
  if (set_url(url, from.url) != CURLUE_OK || set_url(url, text, CURLU_URLENCODE) != CURLUE_OK) {
    return refused("to what is no URL");
  }
  TRY(Source to, source_of(url, {}));
  if (to.local) return refused("to a local file; refused");
  keep_secrets(to, from);
  return to;
}

Source beside(const Source& source, std::string_view suffix) {
  Source out = source;
  const std::string added(suffix);
  out.shown += added;
  if (source.local) {
    out.path += added;
    return out;
  }
  const auto query = std::min(source.url.find('?'), source.url.size());
  out.url.insert(query, added);
  return out;
}

bool is_refused_address(const sockaddr* address) {
  in6_addr six{};
  if (address->sa_family == AF_INET) {
    const auto four = reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    six.s6_addr[10] = six.s6_addr[11] = 0xff;
    std::memcpy(&six.s6_addr[12], &four, sizeof four);
  } else if (address->sa_family == AF_INET6) {
    six = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  } else {
    return true;
  }
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    const std::uint8_t* four = &six.s6_addr[12];
    return four[0] == 0 || (four[0] == 169 && four[1] == 254) || four[0] >= 224;
  }
  in6_addr ec2_metadata{};
  ::inet_pton(AF_INET6, "fd00:ec2::254", &ec2_metadata);
  return IN6_IS_ADDR_UNSPECIFIED(&six) || IN6_IS_ADDR_LINKLOCAL(&six) || IN6_IS_ADDR_MULTICAST(&six) ||
         IN6_ARE_ADDR_EQUAL(&six, &ec2_metadata);
}

}  // namespace fleet::fetch
