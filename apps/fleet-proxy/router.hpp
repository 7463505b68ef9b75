// The table in force and the targets it names. A request reads the table and claims its target in one step (D12); a new
// table is swapped in by pointer.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "http/head.hpp"
#include "http/route_index.hpp"
#include "target.hpp"

namespace fleet::proxy {

struct CompiledRoute {
  std::string app;
  HttpsRedirect https_redirect = HttpsRedirect::off;
  bool rewrite_redirects = true;
  std::vector<TargetPtr> targets;  // of every release that takes everyone
};

// Immutable but for what the targets count.
struct CompiledTable {
  std::uint64_t generation = 0;
  std::vector<CompiledRoute> routes;
  http::RouteIndex index;
};
using TablePtr = std::shared_ptr<const CompiledTable>;

class Router {
 public:
  explicit Router(Target::Observer& observer) : observer_(observer) {}

  // Every request claimed after this returns is routed by `table`. Targets that it no longer names go.
  void swap(const RouteTable& table);
  std::uint64_t generation() const { return table_->generation; }

  struct Match {
    TablePtr table;
    const CompiledRoute* route = nullptr;  // within `table`; null: no such route
  };
  http::Parsed<Match> match(std::string_view authority, std::string_view target);

  // The target with the fewest requests in flight; those in `tried` and those ejected only when there is no other.
  // Null when none is ready.
  TargetPtr choose(const CompiledRoute& route, std::span<const TargetPtr> tried, Clock::time_point now);

  // Every target that the worker still knows, gone ones until forget_gone().
  const std::map<std::string, TargetPtr>& targets() const { return targets_; }
  void forget_gone();
  void close_idle_since(Clock::time_point before);

 private:
  Target::Observer& observer_;
  TablePtr table_ = std::make_shared<CompiledTable>();
  std::map<std::string, TargetPtr> targets_;
  std::size_t turn_ = 0;  // where the search begins, so that equals take turns
  std::string host_scratch_, path_scratch_;
};

}  // namespace fleet::proxy
