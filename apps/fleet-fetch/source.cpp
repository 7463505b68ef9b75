#include "source.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kLongestUrl = 8192;

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

Source remote_source(const Url& url, const std::string& scheme) {
  Source out;
  out.user = part(url, CURLUPART_USER, CURLU_URLDECODE);
  out.password = part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
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

Result<Source> source_of(const Url& url) {
  const std::string scheme = part(url, CURLUPART_SCHEME);
  if (scheme == "file") return local_source(part(url, CURLUPART_PATH, CURLU_URLDECODE));
  if (scheme == "http" || scheme == "https") return remote_source(url, scheme);
  return fail(ErrorKind::usage, "cannot fetch by " + printable(scheme) + " (http, https, file or an absolute path)");
}

}  // namespace

Result<Source> parse_source(std::string_view text) {
  if (text.size() > kLongestUrl) return fail(ErrorKind::usage, "the build URL is longer than 8192 bytes");
  if (text.starts_with('/')) return local_source(std::string(text));
  if (text.find("://") == text.npos) {
    return fail(ErrorKind::usage, "not an absolute path or URL: " + printable(text));
  }
  const Url url(curl_url(), curl_url_cleanup);
  if (const CURLUcode code = set_url(url, text); code != CURLUE_OK) {
    return fail(ErrorKind::usage, "malformed URL: " + before_secrets(text) + ": " + curl_url_strerror(code));
  }
  return source_of(url);
}

Result<Source> redirected(const Source& from, std::string_view location) {
  const auto refused = [&](const std::string& why) {
    return fail(ErrorKind::fetch, from.shown + ": the server redirects " + why);
  };
  const Url url(curl_url(), curl_url_cleanup);
  const bool is_url = location.size() <= kLongestUrl && set_url(url, from.url) == CURLUE_OK &&
                      set_url(url, location, CURLU_URLENCODE) == CURLUE_OK;
  auto to = is_url ? source_of(url) : fail(ErrorKind::fetch, "");
  if (!to) return refused("to what is no http or https URL");
  if (to->local) return refused("to a local file; refused");
  if (from.secure() && !to->secure()) return refused("from https to http; refused");
  to->user = to->origin == from.origin ? from.user : "";
  to->password = to->origin == from.origin ? from.password : "";
  to->basename = from.basename;
  return to;
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
