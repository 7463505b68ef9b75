// One hook of a rollout (a command of the operator's or the release's) as a total table of phases and events.
//
// A hook is begun once for each rollout. What is on record as begun and is not known to have run is begun again, under
// a new id, and that is told; what is known to have run and whose end nobody can tell has failed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.hpp"
#include "core/fields.hpp"
#include "core/names.hpp"
#include "plan/instance.hpp"

namespace fleet::plan {

enum class HookPhase : std::uint8_t {
  starting,  // its shim is being started
  running,
  stopping,  // is being killed with all it has started
  passed,    // exited with 0
  failed,    // did not
};
FLEET_NAMES(HookPhase, "starting", "running", "stopping", "passed", "failed")

enum class HookEvent : std::uint8_t {
  started,    // the command runs
  succeeded,  // it exited with 0
  failed,     // it ended otherwise, or never came to be
  timeout,    // the phase's deadline has passed
  leave,      // its rollout is given up
  lost,       // a fleetd has come back, and there is no trace of it
};
FLEET_NAMES(HookEvent, "started", "succeeded", "failed", "timeout", "leave", "lost")

enum class HookStep : std::uint8_t {
  ignore,
  to_running,
  stop,   // to stopping, with SIGKILL to its tree
  again,  // to starting, under a new id
  to_passed,
  to_failed,
};
FLEET_NAMES(HookStep, "ignore", "running", "stopping", "starting", "passed", "failed")

using HookTable = std::array<std::array<HookStep, enum_count<HookEvent>()>, enum_count<HookPhase>()>;
extern const HookTable kHookTable;

inline HookStep hook_step(HookPhase phase, HookEvent event) {
  return kHookTable[static_cast<std::size_t>(phase)][static_cast<std::size_t>(event)];
}

struct HookRun {
  Hook hook = Hook::pre_start;
  std::string id;             // "shop-v42-118-pre_start"; never used twice
  std::uint64_t release = 0;  // whose folder it runs in; 0: none's
  HookPhase phase = HookPhase::starting;
  std::uint32_t pid = 0;  // with start_time: who it is, for a fleetd that comes back
  std::uint64_t start_time = 0;
  milliseconds since{0};                          // when it was begun
  milliseconds deadline{0};                       // of the phase; 0: it is over
  milliseconds took{0};                           // once it is over
  std::string trouble;                            // why it failed, or is being killed
  std::optional<std::int32_t> exit_code, signal;  // how it ended, if it did
  FLEET_FIELDS(HookRun, hook, id, release, phase, pid, start_time, since, deadline, took, trouble, exit_code, signal)
};

inline bool is_over(const HookRun& run) { return run.phase == HookPhase::passed || run.phase == HookPhase::failed; }

std::string hook_id(const InstanceName& name, Hook hook);
std::optional<InstanceName> parse_hook_id(std::string_view id);  // none: it is no such id

}  // namespace fleet::plan
