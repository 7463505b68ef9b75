// One rollout (a deploy, rollback or restart) as a total table of phases and events.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/fields.hpp"
#include "core/names.hpp"
#include "core/result.hpp"
#include "plan/hook.hpp"

namespace fleet::plan {

enum class RolloutKind : std::uint8_t { deploy, rollback, restart };
FLEET_NAMES(RolloutKind, "deploy", "rollback", "restart")

enum class RolloutPhase : std::uint8_t {
  prepare,      // fetch, verify, unpack
  pre_start,    // the hook of that name runs, as in the other phases that are called as hooks
  warm,         // start the candidates, wait until all are healthy
  pre_switch,
  commit,       // the new table is published; waits until every worker has acknowledged it
  post_switch,  // the old instances drain meanwhile
  drain,        // the old instances finish what they have
  pre_stop,
  retire,       // the old instances are stopped
  done,
  abort,        // the candidates are stopped; the old release never left
  on_failure,
};
FLEET_NAMES(RolloutPhase, "prepare", "pre_start", "warm", "pre_switch", "commit", "post_switch", "drain", "pre_stop",
            "retire", "done", "abort", "on_failure")

enum class RolloutEvent : std::uint8_t {
  fetched,    // the release directory is whole and verified
  current,    // what was fetched is what runs already, or there was nothing to fetch
  failed,     // fetch or hook failed, or a candidate was lost or did not become healthy in time
  all_warm,   // every candidate is healthy
  acked,      // every worker routes by the new table
  drained,    // the old instances have finished, or their time is over
  stopped,    // no instance of this rollout is left to stop
  abort,      // somebody asked
  hooked,     // the phase's hook is over, or there is none
};
FLEET_NAMES(RolloutEvent, "fetched", "current", "failed", "all_warm", "acked", "drained", "stopped", "abort", "hooked")

// A phase of a hook that there is none of is passed at once, and is not on record.
enum class RolloutStep : std::uint8_t {
  ignore, to_pre_start, to_warm, to_pre_switch, to_commit, to_post_switch, to_drain, to_pre_stop, to_retire, to_done,
  to_abort, to_on_failure,
};
FLEET_NAMES(RolloutStep, "ignore", "pre_start", "warm", "pre_switch", "commit", "post_switch", "drain", "pre_stop",
            "retire", "done", "abort", "on_failure")

using RolloutTable = std::array<std::array<RolloutStep, enum_count<RolloutEvent>()>, enum_count<RolloutPhase>()>;
extern const RolloutTable kRolloutTable;

inline RolloutStep rollout_step(RolloutPhase phase, RolloutEvent event) {
  return kRolloutTable[static_cast<std::size_t>(phase)][static_cast<std::size_t>(event)];
}

enum class Outcome : std::uint8_t { pending, changed, already_current, kept_old, rolled_back, unchanged };
FLEET_NAMES(Outcome, "", "changed", "already_current", "kept_old", "rolled_back", "unchanged")

struct PhaseTime {
  RolloutPhase phase = RolloutPhase::prepare;
  milliseconds took{0};
  FLEET_FIELDS(PhaseTime, phase, took)
};

struct Rollout {
  std::uint64_t deployment = 0;  // its id
  RolloutKind kind = RolloutKind::deploy;
  std::string url, sha256, requested_by;
  std::uint64_t release = 0;   // deploy: 0 until it is fetched and found new
  std::uint64_t previous = 0;  // what was current when it began; 0: nothing
  RolloutPhase phase = RolloutPhase::prepare;
  milliseconds began{0}, since{0};  // of the rollout, of the phase
  std::vector<PhaseTime> phases;    // those that are over
  std::uint64_t generation = 0;     // commit: the table to be acknowledged
  std::uint32_t left = 0;           // how many instances of `previous` it took out of rotation
  Outcome outcome = Outcome::pending;
  ErrorKind error_kind = ErrorKind::internal;
  std::string error;            // why it failed
  std::string failed_instance;  // or hook, whose last log lines tell more
  std::optional<std::int32_t> exit_code, signal;  // how that one ended, if it did
  bool force = false;  // deploy: also of a lower version than the current
  std::string known_etag;           // deploy: over, if its source still has this
  std::uint64_t known_release = 0;  // which was deployed from it then
  std::vector<HookRun> hooks;       // in their order; but for the last all are over
  bool remote = false;              // deploy: asked for from another machine
  bool anew = false;                // deploy: also of the current build
  FLEET_FIELDS(Rollout, deployment, kind, url, sha256, requested_by, release, previous, phase, began, since, phases,
               generation, left, outcome, error_kind, error, failed_instance, exit_code, signal, force, known_etag,
               known_release, hooks, remote, anew)
};

// Before commit nothing has changed for anybody, and the rollout may be undone.
inline bool before_commit(RolloutPhase phase) { return phase < RolloutPhase::commit; }

// While it is in such a phase this hook runs.
std::optional<Hook> hook_of(RolloutPhase phase);

}  // namespace fleet::plan
