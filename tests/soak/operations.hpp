// What an operator does all day: deploys, rollbacks, restarts, reloads and upgrades, back to back on one app.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "scene.hpp"

namespace fleet::soak {

// What came of an operation: fleetctl's exit code, and whether that was to be expected.
struct Done {
  std::string operation, app, text;  // text: what fleetctl said, of those that were not to be expected
  int code = 0;
  std::int64_t begun_at = 0, ended_at = 0;  // ms since the epoch
  bool as_expected = false;
};

// A release that fleet has said to be replaced; no request that begins later is its to answer.
using Replaced = std::map<std::string, std::int64_t>;  // by version; ms since the epoch

struct History {
  std::vector<Done> done;
  Replaced replaced;
  std::vector<std::string> never_served;  // versions that no request may have met
};

// Until the scene is over or `deploys_left` of all apps have been used up.
History operate(Scene& scene, const std::string& app, std::uint64_t seed, std::atomic<std::int64_t>& deploys_left);

}  // namespace fleet::soak
