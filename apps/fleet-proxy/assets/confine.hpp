// What the asset server gives up before it is asked anything.
#pragma once

#include <string>

#include "core/result.hpp"

namespace fleet::proxy::assets {

// Files may only be read, below `releases` where landlock can see to that (empty: anywhere), and no capability, core
// dump or new privilege is left. `descriptors`: how many may be open. Before there are threads; cannot be undone.
Result<> confine_files(const std::string& releases, unsigned descriptors);

// All threads may make the calls that giving files takes, and no others: these fail with EPERM.
Result<> allow_serving_only();

}  // namespace fleet::proxy::assets
