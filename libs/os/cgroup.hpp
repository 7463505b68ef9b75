// Cgroups of version 2 (cgroups(7)), each named by its folder: what is in one is limited, counted and killed as a whole,
// whoever its parents are. All of this reads and writes the kernel's files in that folder and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace fleet::os {

// The folder of the cgroup that a process is in, from the texts of its /proc/PID/cgroup and /proc/PID/mountinfo; empty
// when it has none that can be reached.
std::string cgroup_folder(std::string_view cgroup, std::string_view mountinfo);

std::string own_cgroup_folder();  // of this process

// Of a path, for a cgroup: "/var/lib/fleet" is "var-lib-fleet", and no other path is.
std::string cgroup_name(std::string_view path);

// What processes in it may take together; 0: as much as there is.
struct CgroupLimits {
  std::uint64_t memory = 0;   // bytes; when they do not suffice, all of it is killed
  std::uint32_t cpu = 0;      // thousandths of a core
  std::uint32_t processes = 0;  // and threads
};
// Which of them the kernel keeps for this cgroup, as its controllers have been delegated.
struct CgroupControllers {
  bool memory = false, cpu = false, processes = false;
  bool operator==(const CgroupControllers&) const = default;
};

// Makes it, or takes the one that is there.
Result<> make_cgroup(const std::string& folder);
Result<CgroupControllers> limit_cgroup(const std::string& folder, const CgroupLimits& limits);

// Turns these controllers on for the cgroups below, as far as this one has them. Error (busy): it has processes itself.
Result<CgroupControllers> delegate_controllers(const std::string& folder);
Result<> withdraw_controllers(const std::string& folder);  // likewise off, in all that are below, too

// Moves this process there.
Result<> enter_cgroup(const std::string& folder);

// SIGKILL to all in it and below. It is populated until they have died. Not being there is success.
Result<> kill_cgroup(const std::string& folder);
bool is_populated(const std::string& folder);

// With those below; all must be empty of processes. Not being there is success.
Result<> remove_cgroup(const std::string& folder);

struct OutOfMemory {
  std::uint64_t killed = 0;  // processes of it that the kernel killed for lack of memory, its own or the machine's
  std::uint64_t reached = 0; // how often it had no more of its own
  std::uint64_t limit = 0;   // that, in bytes; 0: none
};
OutOfMemory out_of_memory(const std::string& folder);  // zeros where the kernel does not count

}  // namespace fleet::os
