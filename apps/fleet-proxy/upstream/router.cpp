#include "upstream/router.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

namespace fleet::proxy {

Result<std::map<std::string, Router::KnownRules>> Router::compile_rules(const RouteTable& table) const {
  std::map<std::string, KnownRules> all;
  for (const auto& route : table.routes) {
    if (route.rules.empty()) continue;
    if (const auto known = rules_.find(route.app);
        known != rules_.end() && known->second.rules == route.rules && known->second.files == route.files) {
      all.insert(*known);
      continue;
    }
    KnownRules made{route.rules, route.files, {}};
    route::Files files(made.files);
    for (const auto& rules : made.rules) {
      auto compiled = route::compile(rules, files);
      if (!compiled) return std::unexpected(std::move(compiled.error()).in(route.app + ": " + rules.path));
      made.compiled.push_back(std::move(*compiled));
    }
    all.emplace(route.app, std::move(made));
  }
  return all;
}

Result<> Router::swap(const RouteTable& table, AccessLogs* logs) {
  TRY(rules_, compile_rules(table));
  auto compiled = std::make_shared<CompiledTable>();
  compiled->generation = table.generation;
  compiled->index = route::Index(table.routes);
  std::set<std::string> named;
  std::vector<std::string> apps;
  const auto now = Clock::now();
  std::vector<TargetPtr> leaving;
  for (const auto& route : table.routes) {
    CompiledRoute out;
    out.app = route.app;
    out.https_redirect = route.https_redirect;
    out.rewrite_redirects = route.rewrite_redirects;
    out.figures = figures.of(route.app, 0);
    if (logs) out.log = logs->of(route.app, route.access_log);
    out.hold = holds.of(route.app);
    out.balance = route.balancing.by;
    out.hash_by = parse_hash_by(route.balancing.hash_by);
    out.slow_start = route.balancing.slow_start;
    out.eject_failing = route.balancing.eject_failing;
    out.assets = route.assets;
    if (!route.rules.empty()) out.rules = rules_.at(route.app).compiled;
    apps.push_back(route.app);
    std::vector<Target*> fresh;
    bool beside_others = false;
    for (const auto& release : route.releases) {
      for (const auto& target : release.targets) {
        named.insert(target.id);
        auto& known = targets_[target.id];
        if (known && (known->endpoint != target.endpoint || known->socket_path != target.socket || known->gone()))
          leaving.push_back(std::exchange(known, nullptr));
        const bool was_ready = known && known->takes_requests();
        if (!known) known = std::make_shared<Target>(route.app, release.release, target, observer_);
        known->figures = figures.of(route.app, release.release);
        known->set_drain(route.drain_requests, route.drain_streams);
        known->set_state(target.state, now);
        if (release.accepts != Accepts::everyone) continue;
        out.targets.push_back(known);
        if (!known->takes_requests()) continue;
        if (was_ready) beside_others = true;
        else fresh.push_back(known.get());
      }
    }
    if (beside_others) std::ranges::for_each(fresh, [now](Target* target) { target->join(now); });
    out.hold->configure(route, out.targets, now);
    compiled->routes.push_back(std::move(out));
  }
  table_ = std::move(compiled);
  for (const auto& [id, target] : targets_) {
    if (!named.contains(id) && !target->gone()) leaving.push_back(target);
  }
  for (const auto& target : leaving) target->go();
  holds.retain(apps);
  return {};
}

http::Parsed<Router::Match> Router::match(std::string_view authority, std::string_view target) {
  const auto path = route::matching_path(target, EncodedSlash::separator, path_scratch_);
  if (!path) return http::refuse(path.error());
  const auto host = route::matching_host(authority, host_scratch_);
  const auto found = table_->index.match(host, path->text);
  if (!found) return Match{table_, nullptr, nullptr, {}, {}};
  const auto& route = table_->routes[found->route];
  const bool ruled = found->rules != route::Index::kNone;
  return Match{table_, &route, ruled ? route.rules[found->rules] : nullptr, host, *path};
}

bool Router::any_ready() const {
  return std::ranges::any_of(table_->routes, [](const CompiledRoute& route) {
    return std::ranges::any_of(route.targets, [](const TargetPtr& target) { return target->takes_requests(); });
  });
}

namespace {

// Of those that take requests, one of those that there is least against; among them the best.
template <class Better>
const TargetPtr* pick(std::span<const TargetPtr> targets, std::span<const TargetPtr> tried, Clock::time_point now,
                      std::size_t turn, Better better) {
  const TargetPtr* best = nullptr;
  int best_rank = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto& target = targets[(i + turn) % targets.size()];
    if (!target->takes_requests()) continue;
    const bool was_tried = std::ranges::find(tried, target) != tried.end();
    const int rank = (was_tried ? 2 : 0) + (target->ejected(now) ? 1 : 0);
    if (best && (rank > best_rank || (rank == best_rank && !better(*target, **best)))) continue;
    best = &target, best_rank = rank;
  }
  return best;
}

// Smooth weighted turns: each gets its share as credit, and who has most pays what all got.
void take_turn(std::span<const TargetPtr> targets, Target& winner, Clock::time_point now, std::chrono::milliseconds slow) {
  for (const auto& target : targets) {
    if (!target->takes_requests() || target->ejected(now)) continue;
    target->credit += target->share(now, slow);
    winner.credit -= target->share(now, slow);
  }
}

}  // namespace

TargetPtr Router::choose(const CompiledRoute& route, std::span<const TargetPtr> tried, Clock::time_point now,
                         std::optional<std::uint64_t> key) {
  const auto slow = route.slow_start;
  const auto lighter = [&](const Target& a, const Target& b) {
    return weighs_less({a.in_flight(), a.share(now, slow)}, {b.in_flight(), b.share(now, slow)});
  };
  const auto higher = [&](const Target& a, const Target& b) {
    return score_of(*key, a.place, a.share(now, slow)) > score_of(*key, b.place, b.share(now, slow));
  };
  const auto richer = [&](const Target& a, const Target& b) {
    return a.credit + a.share(now, slow) > b.credit + b.share(now, slow);
  };
  const TargetPtr* best = nullptr;
  switch (route.balance) {
    case Balance::hash:
      best = key ? pick(route.targets, tried, now, 0, higher) : pick(route.targets, tried, now, turn_, lighter);
      break;
    case Balance::round_robin:
      best = pick(route.targets, tried, now, 0, richer);
      if (best) take_turn(route.targets, **best, now, slow);
      break;
    case Balance::least_in_flight: best = pick(route.targets, tried, now, turn_, lighter); break;
  }
  ++turn_;
  return best ? *best : nullptr;
}

void Router::note_outcome(const CompiledRoute& route, Target& target, bool failed, std::chrono::milliseconds ejection,
                          Clock::time_point now) {
  target.record.note(failed, now);
  if (!failed || !route.eject_failing || target.ejected(now)) return;
  Outcomes fellows;
  for (const auto& other : route.targets) {
    if (other.get() != &target && other->takes_requests() && !other->ejected(now)) fellows += other->record.at(now);
  }
  const auto own = target.record.at(now);
  if (!stands_out(own, fellows)) return;
  const auto pause = target.eject(now, ejection);
  spdlog::warn("passing over an instance that fails where others do not app={} target={} failed={} of={} others_failed={} of={} "
               "for_ms={}",
               target.app, target.id, own.failed, own.all, fellows.failed, fellows.all, pause.count());
}

void Router::forget_gone() {
  std::erase_if(targets_, [](const auto& entry) { return entry.second->gone() && entry.second->in_flight() == 0; });
}

void Router::close_idle_since(Clock::time_point before) {
  for (const auto& [id, target] : targets_) target->close_idle_since(before);
}

}  // namespace fleet::proxy
