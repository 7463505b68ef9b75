// The routing table: one immutable value that fleetd publishes to every worker under a generation number. A worker
// swaps it by pointer; a request reads it once and claims its target in the same step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/fields.hpp"
#include "core/names.hpp"

namespace fleet {

enum class TargetState : std::uint8_t {
  ready,     // takes new requests
  draining,  // takes none; keeps those it has; its idle pooled connections are closed
};
FLEET_NAMES(TargetState, "ready", "draining")
// A target that is in no release of the table is gone: what still runs on it is cut (502/504, visibly truncated).

// Where requests go: one instance of a release.
struct Target {
  std::string id;  // the instance's id, unique for all time
  Endpoint endpoint;
  TargetState state = TargetState::ready;
  FLEET_FIELDS(Target, id, endpoint, state)
};

// Which visitors a release takes.
enum class Accepts : std::uint8_t { everyone, pinned, nobody };
FLEET_NAMES(Accepts, "everyone", "pinned", "nobody")

struct RouteRelease {
  std::uint64_t release = 0;
  std::uint32_t weight = 100;
  Accepts accepts = Accepts::everyone;
  std::vector<Target> targets;
  FLEET_FIELDS(RouteRelease, release, weight, accepts, targets)
};

struct Route {
  std::string app;
  std::vector<std::string> hosts;  // empty: any host
  std::string path = "/";          // prefix, matched at segment boundaries
  HttpsRedirect https_redirect = HttpsRedirect::off;
  bool rewrite_redirects = true;
  std::vector<RouteRelease> releases;
  std::vector<Rules> rules;  // each of the path it names, complete in itself; none: nothing is done
  std::map<std::string, std::string> files;  // pages and users, by the names that the rules give them
  AccessLog access_log = AccessLog::json;
  FLEET_FIELDS(Route, app, hosts, path, https_redirect, rewrite_redirects, releases, rules, files, access_log)
};

struct RouteTable {
  std::uint64_t generation = 0;
  std::vector<Route> routes;
  FLEET_FIELDS(RouteTable, generation, routes)
};

}  // namespace fleet
