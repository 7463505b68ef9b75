#include "http/authority.hpp"

#include "http/chars.hpp"

namespace fleet::http {
namespace {

bool is_port(std::string_view text) {
  if (text.size() > 5) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

}  // namespace

std::optional<Authority> split_authority(std::string_view text) {
  if (text.size() > 261) return std::nullopt;  // 255 for a name, 6 for the port
  std::size_t host_end = 0;
  if (text.starts_with('[')) {
    host_end = text.find(']');
    if (host_end == std::string_view::npos || host_end < 3) return std::nullopt;
    for (const char c : text.substr(1, host_end - 1)) {
      if (!chars::is(c, chars::hex) && c != ':' && c != '.') return std::nullopt;
    }
    ++host_end;
  } else {
    host_end = text.find(':');
    if (host_end == std::string_view::npos) host_end = text.size();
    if (host_end == 0 || !all_are(text.substr(0, host_end), chars::host)) return std::nullopt;
  }
  Authority authority{text.substr(0, host_end), {}};
  if (host_end == text.size()) return authority;
  if (text[host_end] != ':' || !is_port(text.substr(host_end + 1))) return std::nullopt;
  authority.port = text.substr(host_end + 1);
  return authority;
}

}  // namespace fleet::http
