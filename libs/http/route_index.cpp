#include "http/route_index.hpp"

#include <algorithm>

#include "http/authority.hpp"
#include "http/chars.hpp"

namespace fleet::http {
namespace {

bool climbs_above_root(std::string_view path) {
  int depth = 0;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto segment = path.substr(0, path.find('/'));
    if (segment == "..") {
      if (--depth < 0) return true;
    } else if (!segment.empty() && segment != ".") {
      ++depth;
    }
    path.remove_prefix(segment.size());
  }
  return false;
}

}  // namespace

Parsed<std::string_view> matching_path(std::string_view target, std::string& scratch) {
  auto path = target.substr(0, target.find('?'));
  if (path == "*") return std::string_view("/");
  if (path.find('%') != std::string_view::npos) {
    scratch.clear();
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path[i] != '%') {
        scratch.push_back(path[i]);
        continue;
      }
      const int high = i + 2 < path.size() ? hex_digit(path[i + 1]) : -1;
      const int low = i + 2 < path.size() ? hex_digit(path[i + 2]) : -1;
      if (high < 0 || low < 0 || (high | low) == 0) return refuse(Fault::bad_target);
      scratch.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    }
    path = scratch;
  }
  if (path.find("/..") != std::string_view::npos && climbs_above_root(path)) return refuse(Fault::bad_target);
  return path;
}

std::string_view matching_host(std::string_view authority, std::string& scratch) {
  const auto parts = split_authority(authority);
  if (!parts) return {};
  auto host = parts->host;
  if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  if (std::none_of(host.begin(), host.end(), [](char c) { return c != lower(c); })) return host;
  scratch.assign(host);
  std::transform(scratch.begin(), scratch.end(), scratch.begin(), lower);
  return scratch;
}

RouteIndex::RouteIndex(const std::vector<Route>& routes) {
  for (std::size_t i = 0; i < routes.size(); ++i) {
    std::string prefix = routes[i].path;
    while (prefix.ends_with('/')) prefix.pop_back();
    if (routes[i].hosts.empty()) any_host_.push_back({prefix, i});
    for (const auto& host : routes[i].hosts) by_host_[host].push_back({prefix, i});
  }
  const auto longest_first = [](const Entry& a, const Entry& b) { return a.prefix.size() > b.prefix.size(); };
  std::stable_sort(any_host_.begin(), any_host_.end(), longest_first);
  for (auto& [host, entries] : by_host_) std::stable_sort(entries.begin(), entries.end(), longest_first);
}

const RouteIndex::Entry* RouteIndex::longest(const Entries& entries, std::string_view path) {
  for (const auto& entry : entries) {
    if (path.starts_with(entry.prefix) && (path.size() == entry.prefix.size() || path[entry.prefix.size()] == '/')) {
      return &entry;
    }
  }
  return nullptr;
}

std::optional<std::size_t> RouteIndex::match(std::string_view host, std::string_view path) const {
  const auto found = by_host_.find(host);
  const Entry* entry = found == by_host_.end() ? nullptr : longest(found->second, path);
  if (!entry) entry = longest(any_host_, path);
  return entry ? std::optional(entry->route) : std::nullopt;
}

}  // namespace fleet::http
