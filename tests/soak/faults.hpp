// Does what the plan of faults says, one after the other, and keeps the journal.
#pragma once

#include <vector>

#include "blame.hpp"
#include "scene.hpp"

namespace fleet::soak {

// Until the scene is over.
std::vector<Fault> inject_faults(Scene& scene, FaultPlan plan);

}  // namespace fleet::soak
