// Which route takes a request, and which of its rules. The host first: its exact name, else the wildcard with the longest
// suffix, else the routes for any host; where a host has no path that fits, the next less exact one is asked. Then the
// longest path. A wildcard stands for one label or more, as nginx has it: "*.example.com" takes a.example.com and
// a.b.example.com, and not example.com.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
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

  Index() : Index(std::vector<Route>()) {}
  explicit Index(const std::vector<Route>& routes);

  // `host`, `path`: as path.hpp makes them. Costs one hash for each label of the host that a wildcard could begin at.
  std::optional<Found> match(std::string_view host, std::string_view path) const;

 private:
  struct Entry {
    std::string prefix;  // without a final slash: "" or "/api"
    std::size_t route = 0, rules = kNone;
    auto operator<=>(const Entry&) const = default;
  };
  using Entries = std::vector<Entry>;  // longest prefix first

  // Names and what each stands for: small, so that ten thousand of them stay in the cache of a core.
  class Names {
   public:
    Names() = default;
    // Found by what follows the first `hidden` bytes of each.
    Names(const std::map<std::string, std::uint32_t>& lists, std::size_t hidden);
    struct Known {
      std::string_view name;  // whole
      std::uint32_t list;  // the place in lists_
    };
    std::optional<Known> find(std::string_view name) const;

   private:
    struct Slot {
      std::uint32_t hash = 0, place = 0;  // 0: free; else that in names_, and 1
    };
    struct Name {
      std::uint32_t begin, size, list;
    };
    std::vector<Slot> slots_;  // a power of two of them, at most half in use
    std::vector<Name> names_;
    std::string text_;  // of all names
    std::size_t hidden_ = 0;
  };

  std::optional<Found> longest(std::uint32_t list, std::string_view host, std::string_view path) const;
  std::optional<Found> match_wildcard(std::string_view host, std::string_view path) const;

  Names exact_, wildcard_;      // wildcards as configured: "*.example.com"
  std::vector<Entries> lists_;  // each once, however many hosts have it; first that of requests for any host
  std::size_t labels_ = 0;      // of the longest wildcard's suffix
};

}  // namespace fleet::route
