// Who a started program is, and what it may take of the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.hpp"

namespace fleet {

struct Identity {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  // besides gid
  FLEET_FIELDS(Identity, uid, gid, groups)
};

struct Confinement {
  std::optional<Identity> as;        // absent: as whoever starts it
  bool no_new_privileges = false;    // PR_SET_NO_NEW_PRIVS: no setuid program gives it more
  std::uint64_t memory_max = 0;      // bytes of writable memory of each process (RLIMIT_DATA); 0: as whoever starts it
  std::uint32_t processes_max = 0;   // processes and threads of its user, in all (RLIMIT_NPROC); 0: likewise
  std::uint32_t open_files = 0;      // of each process (RLIMIT_NOFILE); 0: likewise
  std::optional<std::int32_t> oom_score_adj;  // proc_pid_oom_score_adj(5)
  std::string cgroup;                // folder of the cgroup (v2) that it begins in, which is there; empty: its starter's
  std::string private_tmp;           // the folders tmp and var-tmp in this one become /tmp and /var/tmp; empty: everybody's
  bool read_only = false;            // all files are, but for /dev, /proc, a private tmp, and what is in `writable`
  std::vector<std::string> writable; // folders
  FLEET_FIELDS(Confinement, as, no_new_privileges, memory_max, processes_max, open_files, oom_score_adj, cgroup,
               private_tmp, read_only, writable)
};

}  // namespace fleet
