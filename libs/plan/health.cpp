#include "plan/health.hpp"

#include <algorithm>

namespace fleet::plan {
namespace {

constexpr milliseconds kFirstDelay{5};
// A refused connection costs microseconds; asking this often for this long puts a slow starter in rotation within
// 25 ms of its listening, where backing off to the interval would leave it waiting for as long as that.
constexpr milliseconds kRefusedDelay{25};
constexpr milliseconds kRefusedFor{120'000};
constexpr milliseconds kMaxGrid{250};

// Probes in rotation fall on moments that all instances share, up to a tenth of the interval early: waking up for each of
// hundreds would cost more than they do.
milliseconds on_grid(milliseconds at, milliseconds interval) {
  const auto grid = std::min(interval / 10, kMaxGrid);
  return grid.count() > 1 ? at - at % grid : at;
}

}  // namespace

Health begin_probing(milliseconds now) {
  return Health{.began = now, .delay = kFirstDelay, .next_probe = now + kFirstDelay};
}

Health watch(const HealthConfig& config, milliseconds now) {
  return Health{.began = now, .delay = config.interval, .next_probe = on_grid(now + config.interval, config.interval)};
}

Verdict on_probe(Health& health, const HealthConfig& config, ProbeOutcome outcome, bool starting, milliseconds now) {
  health.probing = false;
  const bool passed = outcome == ProbeOutcome::passed, counts = outcome != ProbeOutcome::unasked;
  if (counts) {
    (passed ? health.passed : health.failed)++;
    (passed ? health.failed : health.passed) = 0;
  }

  health.delay = starting ? std::min(health.delay * 2, config.interval) : config.interval;
  auto wait = health.delay;
  if (starting && outcome == ProbeOutcome::refused && now - health.began < kRefusedFor) {
    wait = std::min(wait, kRefusedDelay);
  }
  health.next_probe = starting ? now + wait : on_grid(now + wait, config.interval);

  // Not "==": a reload may have lowered the threshold below the run so far.
  if (!counts) return Verdict::unchanged;
  if (passed && health.passed >= config.healthy) return Verdict::healthy;
  if (!passed && health.failed >= config.unhealthy) return Verdict::unhealthy;
  return Verdict::unchanged;
}

}  // namespace fleet::plan
