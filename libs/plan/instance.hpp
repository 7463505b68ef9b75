// One instance's life as a total table of phases and events.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.hpp"
#include "core/fields.hpp"
#include "core/names.hpp"
#include "plan/health.hpp"

namespace fleet::plan {

enum class InstancePhase : std::uint8_t {
  starting,   // its shim is being started
  warming,    // runs; probes have not passed yet
  warm,       // healthy; waits to be put into rotation
  ready,      // in rotation
  unhealthy,  // runs, out of rotation until its probes pass again
  draining,   // takes no new requests, finishes those it has
  evicting,   // gone from the table; waits until every worker has let go of it
  stopping,   // told to stop
  backoff,    // ended when it should not have; waits to be started again
  gone,       // ended; to be forgotten
};
FLEET_NAMES(InstancePhase, "starting", "warming", "warm", "ready", "unhealthy", "draining", "evicting", "stopping",
            "backoff", "gone")

enum class InstanceEvent : std::uint8_t {
  started,       // the program runs
  healthy,       // enough probes passed in a row
  unhealthy,     // enough probes failed in a row
  join,          // into rotation
  leave,         // out of service for good
  drained,       // no worker has anything left on it
  let_go,        // every worker has acknowledged a table without it
  ended,         // the program exited, or never came to be
  timeout,       // the phase's deadline has passed
};
FLEET_NAMES(InstanceEvent, "started", "healthy", "unhealthy", "join", "leave", "drained", "let_go", "ended", "timeout")

// What a cell of the table says.
enum class InstanceStep : std::uint8_t {
  ignore,
  to_warming, to_warm, to_ready, to_unhealthy, to_draining, to_evicting, to_gone,
  stop,     // to stopping, with a stop signal
  end,      // to backoff if it is still wanted, else to gone
  restart,  // to starting, as a new process with a new id
};
FLEET_NAMES(InstanceStep, "ignore", "warming", "warm", "ready", "unhealthy", "draining", "evicting", "gone", "stopping",
            "backoff or gone", "starting")

using InstanceTable = std::array<std::array<InstanceStep, enum_count<InstanceEvent>()>, enum_count<InstancePhase>()>;
extern const InstanceTable kInstanceTable;

inline InstanceStep instance_step(InstancePhase phase, InstanceEvent event) {
  return kInstanceTable[static_cast<std::size_t>(phase)][static_cast<std::size_t>(event)];
}

// What an instance's id says: "shop-v42-117".
struct InstanceName {
  std::string app;
  std::uint64_t release = 0, serial = 0;
};
std::string to_string(const InstanceName&);
std::optional<InstanceName> parse_instance_name(std::string_view id);  // none: it is no such id

struct Instance {
  std::string id;             // "shop-v42-117": app, release, serial; never used twice
  std::uint64_t release = 0;
  std::uint32_t index = 0;    // 0 .. instances-1 within its generation of instances
  InstancePhase phase = InstancePhase::starting;
  bool candidate = false;     // belongs to a rollout that has not committed
  bool wanted = true;         // is to be started again when it ends
  std::uint16_t port = 0;     // loopback; chosen before it is started
  std::uint32_t pid = 0;      // with start_time: who it is, for a fleetd that comes back
  std::uint64_t start_time = 0;
  std::uint32_t restarts = 0;  // since it was first started
  std::uint32_t crashes = 0;   // in a row; sets the back-off
  milliseconds since{0};       // when it entered the phase
  milliseconds deadline{0};    // of the phase; 0: none
  std::uint64_t generation = 0;  // draining, evicting: the table that says so
  std::string trouble;         // the last thing that went wrong with it
  Health health;               // not saved
  std::string socket;          // listens there and not on a port; chosen before it is started
  bool drained = false;        // draining: it has finished, or its time is over; the hook pre_stop is waited for
  // What it was started with. Of its environment a digest under the caller's key; empty: not known.
  std::string environment;
  std::vector<std::string> command;
  RunConfig run;
  std::string sha256;  // of its build; empty: not known
  FLEET_FIELDS(Instance, id, release, index, phase, candidate, wanted, port, pid, start_time, restarts, crashes, since,
               deadline, generation, trouble, socket, drained,
               environment, command, run, sha256)
};

bool is_running(InstancePhase);  // a process may exist
bool is_probed(InstancePhase);

constexpr std::uint32_t kCrashLoop = 3;  // so many crashes in a row are one

// 1, 2, 4 ... 60 s before the n-th start in a row (n from 1).
milliseconds backoff_delay(std::uint32_t crashes);

}  // namespace fleet::plan
