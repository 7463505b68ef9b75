// Whom of an app to probe now, and when to look at the app again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/app.hpp"

namespace fleet::plan {

// Those whose probe is due; from now on it is under way.
std::vector<std::string> begin_probes(AppState& state, const Context& context);

// When the first deadline passes or the first probe is due; none: nothing happens by itself.
std::optional<milliseconds> next_wake(const AppState& state, const Context& context);

}  // namespace fleet::plan
