// Which route takes a request: the exact host, else the routes for any host; among those the longest path prefix.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/routes.hpp"
#include "http/fault.hpp"

namespace fleet::http {

// The path of an origin-form target, percent-decoded once, for matching only (P11). Views `target`, or `scratch` where
// decoding changed anything. Refused: malformed escapes, NUL however written, and `..` that climbs above the root.
Parsed<std::string_view> matching_path(std::string_view target, std::string& scratch);

// Lower case, without port, without the dot of a fully qualified name. Views `authority` or `scratch`.
std::string_view matching_host(std::string_view authority, std::string& scratch);

class RouteIndex {
 public:
  RouteIndex() = default;
  explicit RouteIndex(const std::vector<Route>& routes);

  // The route's place in the vector given. `host`, `path`: from the functions above.
  std::optional<std::size_t> match(std::string_view host, std::string_view path) const;

 private:
  struct Entry {
    std::string prefix;  // without a final slash: "" or "/api"
    std::size_t route = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Entries = std::vector<Entry>;  // longest prefix first

  static const Entry* longest(const Entries& entries, std::string_view path);

  std::unordered_map<std::string, Entries, Hash, std::equal_to<>> by_host_;
  Entries any_host_;
};

}  // namespace fleet::http
