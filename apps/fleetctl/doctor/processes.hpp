// The processes of this machine, and which of them are a fleet's.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "doctor/facts.hpp"

namespace fleet::ctl::doctor {

class ProcessTable {
 public:
  // The fleet of this configuration. `fleetd`: 0 where it does not run.
  ProcessTable(const Config& config, pid_t fleetd);

  const std::vector<Process>& shims() const { return shims_; }
  const std::vector<Process>& without_shim() const { return without_shim_; }  // in its releases, and below none of its shims
  bool is_of_fleet(pid_t pid) const { return ours_.contains(pid); }

  // By inode, as far as we may look.
  std::multimap<std::uint64_t, Process> socket_holders() const;

 private:
  std::vector<pid_t> all_;
  std::vector<Process> shims_, without_shim_;
  std::set<pid_t> ours_;
};

bool is_there(pid_t pid);

// What a program writes to standard output, within 10 s and 64 KiB; nothing if it does not end well.
std::optional<std::string> output_of(std::vector<std::string> argv);

}  // namespace fleet::ctl::doctor
