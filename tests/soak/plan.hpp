// What will be done to the fleet: all of it follows from a seed. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.hpp"
#include "core/result.hpp"

namespace fleet::soak {

using std::chrono::milliseconds;

enum class FaultKind : std::uint8_t {
  kill_fleetd,    // and started again after a while
  kill_worker,
  kill_instance,
  kill_shim,      // of an instance or of a worker
  stop_fleetd,    // SIGSTOP for a while
  stop_worker,
  stop_instance,
  starve,         // everybody, of processors
};
FLEET_NAMES(FaultKind, "kill-fleetd", "kill-worker", "kill-instance", "kill-shim", "stop-fleetd", "stop-worker",
            "stop-instance", "starve")

// "all", "none" or names between commas. Errors: no such fault.
Result<std::vector<FaultKind>> parse_faults(std::string_view text);

struct PlannedFault {
  FaultKind kind = FaultKind::kill_fleetd;
  milliseconds after{0};     // the one before is over
  milliseconds lasting{0};   // fleetd is away, a process is stopped, processors are busy
  std::uint32_t victim = 0;  // modulo the number of those there are
};

class FaultPlan {
 public:
  FaultPlan(std::uint64_t seed, std::vector<FaultKind> kinds) : random_(seed), kinds_(std::move(kinds)) {}
  PlannedFault next();

 private:
  std::mt19937_64 random_;
  std::vector<FaultKind> kinds_;
};

enum class Operation : std::uint8_t {
  deploy,
  deploy_bad,    // of a build that never becomes healthy
  deploy_abort,  // begun, and aborted somewhere on its way
  rollback,
  restart,
  reload,
  upgrade,         // of the workers
  fleetd_restart,  // stopped properly, and started
};
FLEET_NAMES(Operation, "deploy", "bad deploy", "aborted deploy", "rollback", "restart", "reload", "proxy upgrade",
            "fleetd restart")

struct PlannedOperation {
  Operation operation = Operation::deploy;
  milliseconds delay{0};  // of the new build's start, or before the abort
};

class OperationPlan {
 public:
  explicit OperationPlan(std::uint64_t seed) : random_(seed) {}
  PlannedOperation next();

 private:
  std::mt19937_64 random_;
};

}  // namespace fleet::soak
