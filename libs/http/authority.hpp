// host[:port] as found in Host, absolute-form targets and redirect URLs.
#pragma once

#include <optional>
#include <string_view>

namespace fleet::http {

struct Authority {
  std::string_view host;  // IPv6 with its brackets
  std::string_view port;  // empty: none given
};

// Nothing when it is not a valid, non-empty host with an optional port (RFC 9110 §7.2); user information is refused.
std::optional<Authority> split_authority(std::string_view text);

}  // namespace fleet::http
