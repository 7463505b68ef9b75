// The cgroups of what fleetd starts: one for each program, below what was delegated to fleetd, so that limits are of all of
// its processes together, and none of them is ever left behind. Where there is nothing delegated all goes without.
#pragma once

#include <set>
#include <string>

#include "core/config.hpp"
#include "core/confinement.hpp"
#include "core/result.hpp"
#include "net/task_group.hpp"
#include "os/cgroup.hpp"
#include "paths.hpp"

namespace fleet {

struct OwnCgroups {
  std::string folder;  // for those of what is started; empty: none can be had
  os::CgroupControllers controllers;
  std::string why;     // there is none, or no controller
};

// `own`: the folder of the cgroup that fleetd is in, empty if there is none. What has cgroups below may not have processes
// itself (cgroups(7)), so fleetd moves into one named "supervisor" beside the others, where it can, unless systemd has
// started it there already (DelegateSubgroup=). A service of a systemd that knows no such thing could not be started again
// after that, so there fleetd moves only where make_way() has been called.
OwnCgroups take_cgroups(const std::string& own, const std::string& state_dir);

// Before each start of such a service: fleetd's successor can be put where the former one was, and the limits of what
// runs are off until it has come up.
Result<> make_way(const std::string& own);

// Gives it a cgroup of its own with the app's limits; what the kernel does not keep there, the process's limits do.
void confine(const Paths& paths, const std::string& id, const RunConfig& run, Confinement& confined);
// The same limits for one that a former fleetd has started.
void limit_again(const Paths& paths, const std::string& id, const RunConfig& run);

// Kills what is in it, and removes it as soon as that has died.
void end_cgroup(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, const std::string& id);
// All that are of none of these.
void end_other_cgroups(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, const std::set<std::string>& ids);

}  // namespace fleet
