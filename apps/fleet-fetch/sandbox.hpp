// What this process gives up, since it handles bytes from strangers. Nothing of it can be taken back.
#pragma once

#include <cstdint>

#include "core/result.hpp"

namespace fleet::fetch {

// At the start: no new privileges, no core, not to be traced or read by others, files for ourselves only, SIGTERM when
// fleetd dies.
Result<> give_up_privileges();

// In a child: another user with no other group (0, or not root: as it is), and SIGKILL when its parent dies.
Result<> become(std::uint32_t uid, std::uint32_t gid);

// From here on files can be read only where programs, settings and certificates are, and made only beneath `root` (-1:
// nowhere), as far as the kernel has landlock(7) with links between folders (its version 2, Linux 5.19); what is open
// stays so.
Result<> confine_files(int root);

// Limits on memory, descriptors and the size of any one file (bytes).
Result<> limit_resources(std::uint64_t largest_file);

// From here on no program can be run, no process made (threads can), none traced, nothing mounted, no socket accepted
// or of another kind than unix, internet or routing (name look-ups need those).
Result<> deny_dangerous_calls();

// From here on no socket can be made or connected either, nor a thread.
Result<> deny_network();

}  // namespace fleet::fetch
