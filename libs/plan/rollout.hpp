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


namespace fleet::plan {

enum class RolloutKind : std::uint8_t { deploy, rollback, restart };
FLEET_NAMES(RolloutKind, "deploy", "rollback", "restart")

enum class RolloutPhase : std::uint8_t {
  prepare,  // fetch, verify, unpack
  warm,     // start the candidates, wait until all are healthy
  commit,   // the new table is published; waits until every worker has acknowledged it
  drain,    // the old instances finish what they have
  retire,   // the old instances are stopped
  done,
  abort,    // the candidates are stopped; the old release never left
};
FLEET_NAMES(RolloutPhase, "prepare", "warm", "commit", "drain", "retire", "done", "abort")

enum class RolloutEvent : std::uint8_t {
  fetched,    // the release directory is whole and verified
  current,    // what was fetched is what runs already, or there was nothing to fetch
  failed,     // fetch failed, or a candidate was lost or did not become healthy in time
  all_warm,   // every candidate is healthy
  acked,      // every worker routes by the new table
  drained,    // no old instance is draining any more
  stopped,    // no instance of this rollout is left to stop
  abort,      // somebody asked
};
FLEET_NAMES(RolloutEvent, "fetched", "current", "failed", "all_warm", "acked", "drained", "stopped", "abort")

enum class RolloutStep : std::uint8_t { ignore, to_warm, to_commit, to_drain, to_retire, to_done, to_abort };
FLEET_NAMES(RolloutStep, "ignore", "warm", "commit", "drain", "retire", "done", "abort")

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
  std::string failed_instance;  // whose last log lines tell more
  std::optional<std::int32_t> exit_code, signal;  // how that one ended, if it did
  bool force = false;  // deploy: also of a lower version than the current
  std::string known_etag;           // deploy: over, if its source still has this
  std::uint64_t known_release = 0;  // which was deployed from it then
  FLEET_FIELDS(Rollout, deployment, kind, url, sha256, requested_by, release, previous, phase, began, since, phases,
               generation, left, outcome, error_kind, error, failed_instance, exit_code, signal, force, known_etag,
               known_release)
};

// Before commit nothing has changed for anybody, and the rollout may be undone.
inline bool before_commit(RolloutPhase phase) { return phase == RolloutPhase::prepare || phase == RolloutPhase::warm; }

}  // namespace fleet::plan
