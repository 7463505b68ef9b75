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
  resting,   // the same, but it may come back: nothing is cut, and nobody waits for its end
};
FLEET_NAMES(TargetState, "ready", "draining", "resting")
// A target that is in no release of the table is gone: what still runs on it is cut (502/504, visibly truncated).

// Where requests go: one instance of a release.
struct Target {
  std::string id;  // the instance's id, unique for all time
  Endpoint endpoint;
  TargetState state = TargetState::ready;
  std::string socket = {};  // the path of a unix socket, in place of the endpoint; empty: none
  std::uint32_t index = 0;  // its place among the instances of its release, which a successor of it has too
  FLEET_FIELDS(Target, id, endpoint, state, socket, index)
};

// Which visitors a release takes.
enum class Accepts : std::uint8_t { everyone, pinned, nobody };
FLEET_NAMES(Accepts, "everyone", "pinned", "nobody")

struct RouteRelease {
  std::uint64_t release = 0;
  std::uint32_t reserved = 100;  // nobody reads it; its place on the wire stays as peers of other versions know it
  Accepts accepts = Accepts::everyone;
  std::vector<Target> targets;
  FLEET_FIELDS(RouteRelease, release, reserved, accepts, targets)
};

// Where what a release had as files is still found, for requests that the release in force knows nothing of.
struct ReleaseAssets {
  std::uint64_t release = 0;
  std::string root;                            // the release's folder
  std::map<std::string, std::string> folders;  // "/assets/" -> "public/assets", as configured
  FLEET_FIELDS(ReleaseAssets, release, root, folders)
};

constexpr milliseconds kForever = std::chrono::hours(24 * 365);

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
  // From the moment a target drains: when what still runs on it is cut (D4, D5, D7). Streams are tunnels and
  // server-sent events.
  milliseconds drain_requests{kForever}, drain_streams{kForever};
  Balancing balancing;
  HoldConfig hold;
  bool awaited = false;        // without a target, it is to have one: its requests may wait
  milliseconds held_until{0};  // of the machine's monotonic clock: until then they wait though there are targets
  std::vector<ReleaseAssets> assets;  // in the order in which they are asked; none: a 404 is the application's
  FLEET_FIELDS(Route, app, hosts, path, https_redirect, rewrite_redirects, releases, rules, files, access_log,
               drain_requests, drain_streams, balancing, hold, awaited, held_until, assets)
};

struct RouteTable {
  std::uint64_t generation = 0;
  std::vector<Route> routes;
  FLEET_FIELDS(RouteTable, generation, routes)
};

}  // namespace fleet
