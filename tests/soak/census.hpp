// What a fleet holds, counted from outside, before and after.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "os/fd.hpp"
#include "support/fleet.hpp"

namespace fleet::soak {

struct Census {
  std::map<std::string, std::uint64_t> processes;  // by name; zombies apart
  std::uint64_t zombies = 0;                       // that are not ours to reap
  std::uint64_t fleetd_files = 0, worker_files = 0;  // open; of the worker with the most
  std::uint64_t listeners = 0;                     // sockets, of all processes
  std::uint64_t run_entries = 0, state_folders = 0, state_files = 0;
  std::uint64_t cgroups = 0;
  std::uint64_t fleetd_kib = 0, worker_kib = 0;  // resident; of the largest worker
  FLEET_FIELDS(Census, processes, zombies, fleetd_files, worker_files, listeners, run_entries, state_folders, state_files,
               cgroups, fleetd_kib, worker_kib)
};

Census take_census(const test::Fleet& fleet);

// One row for people and programs.
struct Holding {
  std::string what;
  std::uint64_t before = 0, after = 0, allowance = 0;
  bool leaks() const { return after > before + allowance; }
  FLEET_FIELDS(Holding, what, before, after, allowance)
};
std::vector<Holding> compare(const Census& before, const Census& after);

// The clients' ports of the connections that a process, given as a pidfd and its pid, has accepted: those whose own end is
// at one of the ports `listening`.
std::set<std::uint16_t> connections_of(const os::Fd& process, pid_t pid, const std::set<std::uint16_t>& listening);

}  // namespace fleet::soak
