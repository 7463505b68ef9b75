// The table of processes, and who in it belongs to a program: what is to be killed when the whole of it must go.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace fleet::os {

struct ProcessEntry {
  pid_t pid = 0, parent = 0, group = 0, session = 0;
  std::uint64_t start_time = 0;  // clock ticks after boot
  bool zombie = false;           // has ended, not yet reaped
};

// From the text of /proc/PID/stat (proc(5)); nothing if it is not that.
std::optional<ProcessEntry> parse_stat(std::string_view text);

// Nothing when there is no such process.
std::optional<ProcessEntry> process_entry(pid_t);

// All there are now. Processes come and go meanwhile: match start_time (open_pidfd) before acting on one.
std::vector<ProcessEntry> processes();

// Children, their children and so on, without `root`. Of a subreaper these are all it ever started.
std::vector<ProcessEntry> descendants(std::span<const ProcessEntry> table, pid_t root);

// `root` itself, its descendants, and who is in the session or process group it leads, with their descendants. Finds
// those whose parent is gone, except when they left the session too; a subreaper loses not even those.
std::vector<ProcessEntry> tree(std::span<const ProcessEntry> table, pid_t root);

// Signals each by pidfd, after matching its start time. Zombies too: one may be the ended first thread of a process
// whose others go on. Returns how many were there to signal.
std::size_t signal_all(std::span<const ProcessEntry>, int signal_number);

}  // namespace fleet::os
