// When to probe an instance next, and when its answers make it healthy or unhealthy.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/config.hpp"
#include "core/names.hpp"

namespace fleet::plan {

enum class ProbeOutcome : std::uint8_t {
  passed,
  refused,  // nobody listens yet: cheap to ask again soon
  failed,   // answered wrongly, too late, or not at all
  unasked,  // it could not be asked or listened to, for want of something of ours: says nothing of the instance
};
FLEET_NAMES(ProbeOutcome, "passed", "refused", "failed", "unasked")

enum class Verdict : std::uint8_t { unchanged, healthy, unhealthy };

// The run of answers so far. Not part of the saved record: a new fleetd counts afresh, so two of them compare equal.
struct Health {
  std::uint32_t passed = 0, failed = 0;  // consecutive
  milliseconds began{0};                 // of this run of probes
  milliseconds delay{0};                 // before the next probe
  milliseconds next_probe{0};
  bool probing = false;                  // one is under way
  friend bool operator==(const Health&, const Health&) { return true; }
};

// Probes of a starting instance begin at once and back off, so that a quick application is in rotation at once.
Health begin_probing(milliseconds now);

// Probes of an instance in rotation: one each interval, the first after one.
Health watch(const HealthConfig& config, milliseconds now);

// Takes one answer, sets the time of the next probe, and says whether the run it is part of has reached its threshold.
// `starting`: the instance has not joined, so probes come more often than the interval until it does.
Verdict on_probe(Health& health, const HealthConfig& config, ProbeOutcome outcome, bool starting, milliseconds now);

}  // namespace fleet::plan
