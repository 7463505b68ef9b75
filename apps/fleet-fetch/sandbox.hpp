// What this process gives up, since it handles bytes from strangers. Nothing of it can be taken back.
#pragma once

#include <cstdint>

#include "core/result.hpp"

namespace fleet::fetch {

// At the start: no new privileges, no core, not to be traced or read by others, files for ourselves only, SIGTERM when
// fleetd dies. Changing to a user of its own, when root, belongs here too.
Result<> give_up_privileges();

// Limits on memory, descriptors and the size of any one file (bytes).
Result<> limit_resources(std::uint64_t largest_file);

// From here on no program can be run, no process made (threads can), none traced, nothing mounted, no socket accepted
// or of another kind than unix, internet or routing (name look-ups need those).
Result<> deny_dangerous_calls();

// From here on no socket can be made or connected either, nor a thread.
Result<> deny_network();

}  // namespace fleet::fetch
