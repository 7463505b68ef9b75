// The table in force and the targets it names. A request reads the table and claims its target in one step (D12); a new
// table is swapped in by pointer.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "exchange/ruled.hpp"
#include "http/head.hpp"
#include "route/index.hpp"
#include "route/path.hpp"
#include "telemetry/access_log.hpp"
#include "telemetry/figures.hpp"
#include "upstream/hash_key.hpp"
#include "upstream/hold.hpp"
#include "upstream/target.hpp"

namespace fleet::proxy {

struct CompiledRoute {
  std::string app;
  HttpsRedirect https_redirect = HttpsRedirect::off;
  bool rewrite_redirects = true;
  std::vector<TargetPtr> targets;  // of every release that takes everyone
  FiguresPtr figures;              // of what is answered without a target
  AppLogPtr log;                   // null: none
  std::shared_ptr<Hold> hold;      // of the app, whatever table
  Balance balance = Balance::least_in_flight;
  std::optional<HashBy> hash_by;
  std::chrono::milliseconds slow_start{0};
  bool eject_failing = true;
  std::vector<RulesPtr> rules;  // as in the table
  std::vector<ReleaseAssets> assets;  // likewise
};

// Immutable but for what the targets count.
struct CompiledTable {
  std::uint64_t generation = 0;
  std::vector<CompiledRoute> routes;
  route::Index index;
};
using TablePtr = std::shared_ptr<const CompiledTable>;

class Router {
 public:
  explicit Router(Target::Observer& observer) : observer_(observer) {}

  // Every request claimed after this returns is routed by `table`. Targets that it no longer names go. Errors: rules that
  // cannot be followed; then the former table stays.
  Result<> swap(const RouteTable& table, AccessLogs* logs = nullptr);
  std::uint64_t generation() const { return table_->generation; }

  struct Match {
    TablePtr table;
    const CompiledRoute* route = nullptr;  // within `table`; null: no such route
    RulesPtr rules;                        // of the path; null: none
    std::string_view host;                 // until the next match
    route::MatchingPath path;              // likewise
  };
  http::Parsed<Match> match(std::string_view authority, std::string_view target);

  // Does any app have a target that takes requests?
  bool any_ready() const;

  // How a request to one of the route's targets came out. One that fails where the others do not is ejected.
  void note_outcome(const CompiledRoute& route, Target& target, bool failed, std::chrono::milliseconds ejection,
                    Clock::time_point now);

  // As the route balances; those in `tried` and those ejected only when there is no other. `key`: of the request, where
  // the route hashes. Null when none is ready.
  TargetPtr choose(const CompiledRoute& route, std::span<const TargetPtr> tried, Clock::time_point now,
                   std::optional<std::uint64_t> key = {});

  // Every target that the worker still knows, gone ones until forget_gone().
  const std::map<std::string, TargetPtr>& targets() const { return targets_; }
  void forget_gone();
  void close_idle_since(Clock::time_point before);

  FigureBook figures;
  Holds holds;

 private:
  Target::Observer& observer_;
  TablePtr table_ = std::make_shared<CompiledTable>();
  std::map<std::string, TargetPtr> targets_;
  // Compiled rules by app, for as long as its tables say the same.
  struct KnownRules {
    std::vector<Rules> rules;
    std::map<std::string, std::string> files;
    std::vector<RulesPtr> compiled;
  };
  Result<std::map<std::string, KnownRules>> compile_rules(const RouteTable& table) const;
  std::map<std::string, KnownRules> rules_;
  std::size_t turn_ = 0;  // where the search begins, so that equals take turns
  std::string host_scratch_, path_scratch_;
};

}  // namespace fleet::proxy
