// When an app's source is looked at again. No I/O.
#pragma once

#include <chrono>
#include <cstdint>

namespace fleet {

// `poll`, twice as long after each failure in a row up to an hour (or `poll`, if that is more), give or take a tenth so
// that many machines do not come at once. `random`: 0 to 1.
std::chrono::milliseconds next_look(std::chrono::milliseconds poll, std::uint32_t failures, double random);

}  // namespace fleet
