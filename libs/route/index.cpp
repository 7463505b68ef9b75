#include "route/index.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace fleet::route {
namespace {

constexpr std::string_view kWild = "*.";

std::size_t hash_of(std::string_view name) { return std::hash<std::string_view>()(name); }

}  // namespace

Index::Names::Names(const std::map<std::string, std::uint32_t>& lists, std::size_t hidden)
    : slots_(std::bit_ceil(2 * lists.size() + 1)), hidden_(hidden) {
  for (const auto& [name, list] : lists) {
    names_.push_back({static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size()), list});
    text_ += name;
    const auto hash = hash_of(std::string_view(name).substr(hidden));
    auto at = hash & (slots_.size() - 1);
    while (slots_[at].place != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(names_.size())};
  }
}

std::optional<Index::Names::Known> Index::Names::find(std::string_view name) const {
  if (names_.empty()) return std::nullopt;
  const auto hash = hash_of(name);
  for (auto at = hash & (slots_.size() - 1); slots_[at].place != 0; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash != static_cast<std::uint32_t>(hash >> 32)) continue;
    const auto& known = names_[slots_[at].place - 1];
    const auto text = std::string_view(text_).substr(known.begin, known.size);
    if (text.substr(hidden_) == name) return Known{text, known.list};
  }
  return std::nullopt;
}

Index::Index(const std::vector<Route>& routes) {
  const auto put = [](Entries& entries, std::string_view path, std::size_t route, std::size_t rules) {
    while (path.ends_with('/')) path.remove_suffix(1);
    entries.push_back({std::string(path), route, rules});
  };
  std::map<std::string, Entries> of_hosts, of_wildcards;
  Entries of_any;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto& route = routes[i];
    const auto put_all = [&](Entries& entries) {
      bool own_path = false;
      for (std::size_t n = 0; n < route.rules.size(); ++n) {
        put(entries, route.rules[n].path, i, n);
        own_path |= route.rules[n].path == route.path;
      }
      if (!own_path) put(entries, route.path, i, kNone);
    };
    if (route.hosts.empty()) put_all(of_any);
    for (const auto& name : route.hosts) {
      const bool wild = name.starts_with(kWild);
      put_all((wild ? of_wildcards : of_hosts)[name]);
      if (wild) labels_ = std::max(labels_, static_cast<std::size_t>(std::ranges::count(name, '.')));
    }
  }
  std::map<Entries, std::uint32_t> known;
  const auto list_of = [&](Entries& entries) {
    std::ranges::stable_sort(entries, [](const Entry& a, const Entry& b) { return a.prefix.size() > b.prefix.size(); });
    const auto [place, is_new] = known.try_emplace(entries, static_cast<std::uint32_t>(lists_.size()));
    if (is_new) lists_.push_back(entries);
    return place->second;
  };
  const auto lists_of = [&](std::map<std::string, Entries>& all) {
    std::map<std::string, std::uint32_t> lists;
    for (auto& [name, entries] : all) lists[name] = list_of(entries);
    return lists;
  };
  list_of(of_any);
  exact_ = Names(lists_of(of_hosts), 0);
  wildcard_ = Names(lists_of(of_wildcards), kWild.size());
}

std::optional<Index::Found> Index::longest(std::uint32_t list, std::string_view host, std::string_view path) const {
  for (const auto& entry : lists_[list]) {
    const auto& prefix = entry.prefix;
    if (path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/')) {
      return Found{entry.route, entry.rules, host};
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
    if (!known) continue;
    if (const auto found = longest(known->list, known->name, path)) return found;
  }
  return std::nullopt;
}

std::optional<Index::Found> Index::match(std::string_view host, std::string_view path) const {
  if (const auto known = exact_.find(host)) {
    if (const auto found = longest(known->list, known->name, path)) return found;
  }
  if (labels_ != 0) {
    if (const auto found = match_wildcard(host, path)) return found;
  }
  return longest(0, {}, path);
}

}  // namespace fleet::route
