// Which route takes a request, and which of its rules. The host first: its exact name, else the wildcard with the longest
// suffix, else the routes for any host; where a host has no path that fits, the next less exact one is asked. Then the
// longest path. A wildcard stands for one label or more, as nginx has it: "*.example.com" takes a.example.com and
// a.b.example.com, and not example.com.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/routes.hpp"

namespace fleet::route {

class Index {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};
  struct Found {
    std::size_t route = 0;      // its place in the vector given
    std::size_t rules = kNone;  // the place in the route's rules
    std::string_view host;      // as configured: "shop.example.com", "*.example.com", empty for any
    bool operator==(const Found&) const = default;
  };

  Index() = default;
  explicit Index(const std::vector<Route>& routes);

  // `host`, `path`: as path.hpp makes them. Costs one hash for each label of the host that a wildcard could begin at.
  std::optional<Found> match(std::string_view host, std::string_view path) const;

 private:
  struct Entry {
    std::string prefix;  // without a final slash: "" or "/api"
    std::size_t route = 0, rules = kNone;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Host {
    std::string name;
    std::vector<Entry> entries;  // longest prefix first
  };
  using Hosts = std::unordered_map<std::string, Host, Hash, std::equal_to<>>;

  static std::optional<Found> longest(const Host& host, std::string_view path);
  std::optional<Found> match_wildcard(std::string_view host, std::string_view path) const;

  Hosts exact_, wildcard_;  // wildcards by what follows "*."
  Host any_;
  std::size_t labels_ = 0;  // of the longest wildcard's suffix
};

}  // namespace fleet::route
