#include "api/public_url.hpp"

#include <algorithm>

namespace fleet::api {

std::string public_url(std::string url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos || url.starts_with('/')) return url;
  url.resize(std::min(url.size(), url.find_first_of("?#")));
  const auto authority = scheme + 3;
  const auto end = std::min(url.size(), url.find('/', authority));
  const auto at = url.rfind('@', end);
  if (at != std::string::npos && at >= authority && at < end) url.erase(authority, at + 1 - authority);
  return url;
}

}  // namespace fleet::api
