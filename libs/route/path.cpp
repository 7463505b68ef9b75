#include "route/path.hpp"

#include <algorithm>

#include "http/authority.hpp"
#include "http/chars.hpp"

namespace fleet::route {
namespace {

using http::Fault;
using std::string_view;

// "." and "..", with a path parameter or without: 1 or 2; 0: an ordinary segment.
int dots_of(string_view segment) {
  segment = segment.substr(0, segment.find(';'));
  return segment == "." ? 1 : segment == ".." ? 2 : 0;
}

// Whether there is anything to resolve: "//", or a dot behind a slash.
bool is_normal(string_view path) {
  for (std::size_t i = path.find('/'); i + 1 < path.size(); i = path.find('/', i + 1)) {
    if (path[i + 1] == '/' || path[i + 1] == '.') return false;
  }
  return true;
}

// Removes segments in place. False: it climbs above the root.
bool resolve(std::string& path, bool& changed) {
  std::size_t to = 0;  // what is kept ends here
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at + 1), path.size());
    const auto segment = string_view(path).substr(at + 1, end - at - 1);
    const bool last = end == path.size();
    const int dots = dots_of(segment);
    if (dots == 2) {
      if (to == 0) return false;
      to = string_view(path).substr(0, to).rfind('/');
    }
    if (dots != 0 || (segment.empty() && !last)) {
      changed = true;
      if (last && dots != 0) path[to++] = '/';  // "/a/.." and "/a/." name folders
    } else {
      std::copy(path.begin() + static_cast<std::ptrdiff_t>(at), path.begin() + static_cast<std::ptrdiff_t>(end),
                path.begin() + static_cast<std::ptrdiff_t>(to));
      to += end - at;
    }
    at = end;
  }
  path.resize(to);
  if (path.empty()) path = "/";
  return true;
}

}  // namespace

http::Parsed<MatchingPath> matching_path(string_view target, EncodedSlash slash, std::string& scratch) {
  MatchingPath path;
  path.text = target.substr(0, target.find('?'));
  if (path.text == "*") return MatchingPath{"/", false, false};
  const bool escaped = path.text.find('%') != string_view::npos;
  if (!escaped && is_normal(path.text)) return path;
  scratch.clear();
  for (std::size_t i = 0; i < path.text.size(); ++i) {
    if (path.text[i] != '%') {
      scratch.push_back(path.text[i]);
      continue;
    }
    const int high = i + 2 < path.text.size() ? http::hex_digit(path.text[i + 1]) : -1;
    const int low = i + 2 < path.text.size() ? http::hex_digit(path.text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high | low) == 0) return http::refuse(Fault::bad_target);
    const char byte = static_cast<char>(high << 4 | low);
    path.encoded_slash |= byte == '/';
    if (slash == EncodedSlash::data && (byte == '/' || byte == '%')) {
      scratch += byte == '/' ? "%2F" : "%25";
    } else {
      scratch.push_back(byte);
    }
    i += 2;
  }
  if (!is_normal(scratch) && !resolve(scratch, path.resegmented)) return http::refuse(Fault::bad_target);
  path.text = scratch;
  return path;
}

string_view matching_host(string_view authority, std::string& scratch) {
  const auto parts = http::split_authority(authority);
  if (!parts) return {};
  auto host = parts->host;
  if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  if (std::none_of(host.begin(), host.end(), [](char c) { return c != http::lower(c); })) return host;
  scratch.assign(host);
  std::transform(scratch.begin(), scratch.end(), scratch.begin(), http::lower);
  return scratch;
}

void append_encoded(std::string& out, string_view decoded, UriPart part, EncodedSlash slash) {
  constexpr string_view kHex = "0123456789ABCDEF";
  constexpr string_view kInPath = "-._~!$&'()*+,;=:@/", kInQuery = "-._~!$'()*,:@/";
  const auto safe = part == UriPart::path ? kInPath : kInQuery;
  for (const char c : decoded) {
    const bool alnum = (c >= '0' && c <= '9') || (http::lower(c) >= 'a' && http::lower(c) <= 'z');
    const bool kept_escape = c == '%' && slash == EncodedSlash::data;
    if (alnum || kept_escape || safe.find(c) != string_view::npos) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append(1, '%').append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
}

}  // namespace fleet::route
