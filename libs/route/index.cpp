#include "route/index.hpp"

#include <algorithm>

namespace fleet::route {

Index::Index(const std::vector<Route>& routes) {
  const auto put = [](Host& host, std::string_view path, std::size_t route, std::size_t rules) {
    while (path.ends_with('/')) path.remove_suffix(1);
    host.entries.push_back({std::string(path), route, rules});
  };
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto& route = routes[i];
    const auto put_all = [&](Host& host) {
      bool own_path = false;
      for (std::size_t n = 0; n < route.rules.size(); ++n) {
        put(host, route.rules[n].path, i, n);
        own_path |= route.rules[n].path == route.path;
      }
      if (!own_path) put(host, route.path, i, kNone);
    };
    if (route.hosts.empty()) put_all(any_);
    for (const auto& name : route.hosts) {
      const bool wild = name.starts_with("*.");
      const auto key = wild ? name.substr(2) : name;
      auto& host = (wild ? wildcard_ : exact_)[key];
      host.name = name;
      put_all(host);
      if (wild) labels_ = std::max(labels_, 1 + static_cast<std::size_t>(std::ranges::count(key, '.')));
    }
  }
  const auto longest_first = [](const Entry& a, const Entry& b) { return a.prefix.size() > b.prefix.size(); };
  const auto sort = [&](Host& host) { std::ranges::stable_sort(host.entries, longest_first); };
  sort(any_);
  for (auto& [name, host] : exact_) sort(host);
  for (auto& [name, host] : wildcard_) sort(host);
}

std::optional<Index::Found> Index::longest(const Host& host, std::string_view path) {
  for (const auto& entry : host.entries) {
    const auto& prefix = entry.prefix;
    if (path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/')) {
      return Found{entry.route, entry.rules, host.name};
    }
  }
  return std::nullopt;
}

std::optional<Index::Found> Index::match_wildcard(std::string_view host, std::string_view path) const {
  std::size_t dot = host.size();  // the leftmost one that a wildcard could end at
  for (std::size_t label = 0; label < labels_ && dot != 0; ++label) {
    const auto left = host.rfind('.', dot - 1);
    if (left == std::string_view::npos) break;
    dot = left;
  }
  for (; dot < host.size(); dot = host.find('.', dot + 1)) {
    if (dot == 0) continue;  // there is no label before it
    const auto known = wildcard_.find(host.substr(dot + 1));
    if (known == wildcard_.end()) continue;
    if (const auto found = longest(known->second, path)) return found;
  }
  return std::nullopt;
}

std::optional<Index::Found> Index::match(std::string_view host, std::string_view path) const {
  if (const auto known = exact_.find(host); known != exact_.end()) {
    if (const auto found = longest(known->second, path)) return found;
  }
  if (labels_ != 0) {
    if (const auto found = match_wildcard(host, path)) return found;
  }
  return longest(any_, path);
}

}  // namespace fleet::route
