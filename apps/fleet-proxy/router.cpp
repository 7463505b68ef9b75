#include "router.hpp"

#include <algorithm>
#include <set>

namespace fleet::proxy {

void Router::swap(const RouteTable& table) {
  auto compiled = std::make_shared<CompiledTable>();
  compiled->generation = table.generation;
  compiled->index = http::RouteIndex(table.routes);
  std::set<std::string> named;
  std::vector<TargetPtr> leaving;
  for (const auto& route : table.routes) {
    CompiledRoute out{route.app, route.https_redirect, route.rewrite_redirects, {}};
    for (const auto& release : route.releases) {
      for (const auto& target : release.targets) {
        named.insert(target.id);
        auto& known = targets_[target.id];
        if (known && (known->endpoint != target.endpoint || known->gone()))
          leaving.push_back(std::exchange(known, nullptr));
        if (!known) known = std::make_shared<Target>(route.app, release.release, target, observer_);
        known->set_state(target.state);
        if (release.accepts == Accepts::everyone) out.targets.push_back(known);
      }
    }
    compiled->routes.push_back(std::move(out));
  }
  table_ = std::move(compiled);
  for (const auto& [id, target] : targets_) {
    if (!named.contains(id) && !target->gone()) leaving.push_back(target);
  }
  for (const auto& target : leaving) target->go();
}

http::Parsed<Router::Match> Router::match(std::string_view authority, std::string_view target) {
  const auto path = http::matching_path(target, path_scratch_);
  if (!path) return http::refuse(path.error());
  const auto found = table_->index.match(http::matching_host(authority, host_scratch_), *path);
  return Match{table_, found ? &table_->routes[*found] : nullptr};
}

TargetPtr Router::choose(const CompiledRoute& route, std::span<const TargetPtr> tried, Clock::time_point now) {
  const auto& targets = route.targets;
  const TargetPtr* best = nullptr;
  std::pair<int, std::uint32_t> best_cost;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto& target = targets[(i + turn_) % targets.size()];
    if (!target->takes_requests()) continue;
    const bool was_tried = std::find(tried.begin(), tried.end(), target) != tried.end();
    const std::pair cost{(was_tried ? 2 : 0) + (target->ejected(now) ? 1 : 0), target->in_flight()};
    if (!best || cost < best_cost) best = &target, best_cost = cost;
  }
  ++turn_;
  return best ? *best : nullptr;
}

void Router::forget_gone() {
  std::erase_if(targets_, [](const auto& entry) { return entry.second->gone() && entry.second->in_flight() == 0; });
}

void Router::close_idle_since(Clock::time_point before) {
  for (const auto& [id, target] : targets_) target->close_idle_since(before);
}

}  // namespace fleet::proxy
