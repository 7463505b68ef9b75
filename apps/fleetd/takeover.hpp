// fleetd gives its place to another build of itself: the program is tried beside the running one, which then becomes it
// by execve(2), with the same pid, so that whoever watches that pid notices nothing. What else runs is untouched; what
// the successor does not get handed down it finds as it would after a crash.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/fields.hpp"
#include "core/result.hpp"
#include "net/task.hpp"
#include "os/fd.hpp"
#include "os/process.hpp"

namespace fleet {

// What `fleetd --check` prints: who would take over.
struct Candidate {
  std::string version;
  std::uint32_t protocol = 0;  // that it speaks with workers and shims
  std::string state_dir, run_dir;
  FLEET_FIELDS(Candidate, version, protocol, state_dir, run_dir)
};

// Tries whether `config_file` and the state can be taken up by this build, changing nothing. Errors say what is wrong.
Result<Candidate> check_self(const std::string& config_file);

// Has `program` do so, and says what it is. Errors: usage, with its own words, where it will not do.
net::Task<Result<Candidate>> check_program(net::asio::io_context& io, std::string program, std::string config_file);

// Who may be run in fleetd's place: a program of ours or of root's that no other can write to. Its identity, so that it can
// be told whether it is still the same: compare with ==.
struct ProgramFile {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t changed = 0;  // nanoseconds
  bool operator==(const ProgramFile&) const = default;
};
Result<ProgramFile> look_at_program(const std::string& path);

// Descriptors by name, as handed down from one fleetd to the next, or kept by systemd (sd_listen_fds_with_names(3)).
using NamedFds = std::vector<std::pair<std::string, os::Fd>>;
NamedFds inherited_fds();

// Becomes `program` with the arguments of this process; `kept` stay open, for its inherited_fds(). Returns only where
// that fails, and nothing has changed then.
Error become(const std::string& program, const std::vector<std::pair<std::string, int>>& kept);

// The version that this process was before, where it has taken over; else empty. Asked once.
std::string former_version();

// Children that this process has from its former self, to be reaped.
std::vector<os::Process> inherited_children();

}  // namespace fleet
