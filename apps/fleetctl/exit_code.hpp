// What fleetctl's exit codes mean, and what leads to which. Scripts depend on them: they never change.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "api/views.hpp"
#include "core/result.hpp"

namespace fleet::ctl {

enum class Exit : std::uint8_t {
  done = 0,  // done, or already current
  internal = 1,
  usage = 2,        // usage or configuration; no such app, release or deployment; not allowed
  busy = 3,         // another deploy of this app runs
  unhealthy = 4,    // candidate unhealthy, or the deploy was aborted; the old release was kept
  fetch = 5,        // fetch or verify failed
  rolled_back = 6,  // switched, and then rolled back
  timeout = 7,      // timeout reached, the deploy still runs
  unreachable = 8,  // fleetd does not answer
  would_change = 10,  // plan: a deploy would change something
  detached = 130,   // Ctrl-C; what was asked for goes on
};

Exit exit_for(ErrorKind kind);
Exit exit_for(const api::DeploymentView& ended);

// For --help and the manual.
struct ExitMeaning {
  Exit code;
  std::string_view meaning;
};
extern const std::array<ExitMeaning, 11> kExitMeanings;

}  // namespace fleet::ctl
