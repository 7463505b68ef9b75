// The fleet that is soaked: its two apps, and what may be asked of it from several threads while fleetd comes and goes.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "support/fleet.hpp"

namespace fleet::soak {

using test::milliseconds;

std::int64_t now_ms();  // since the epoch

// Builds with a sanitizer are several times slower, and what memory they hold is the sanitizer's.
#ifdef FLEET_SANITIZED
inline constexpr bool kSanitized = true;
inline constexpr milliseconds kPatience{120'000};
#else
inline constexpr bool kSanitized = false;
inline constexpr milliseconds kPatience{30'000};  // until it is well again
#endif

class Scene {
 public:
  Scene();

  // Held while fleetd is away and while a worker is replaced. What is queued on a dead worker's listener is kept by fleetd
  // alone: both away at once is beyond what anybody promises.
  std::mutex gate;

  test::Fleet fleet;
  const std::vector<std::string> apps = {"shop", "kiosk"};

  std::atomic<bool> over = false;  // no further operation or fault is begun

  // Nothing while fleetd does not answer.
  std::optional<test::Json> status() const;
  // Waits until all of it is well, and that process is none of its own; false after `limit`.
  bool wait_well(milliseconds limit, pid_t without = 0) const;
  bool wait_answers(milliseconds limit) const;

  // Changes something of the configuration that a reload takes up.
  void touch_configuration();
  std::vector<std::string> urls() const;
  std::set<std::uint16_t> ports() const;

 private:
  std::atomic<unsigned> touched_ = 0;
};

}  // namespace fleet::soak
