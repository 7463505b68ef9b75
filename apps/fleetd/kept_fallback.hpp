// What workers may be made to fall back to, on disk for a fleetd that comes back: the table with which all of them have
// served, and what was found not to do.
#pragma once

#include <optional>
#include <string>

#include "core/result.hpp"
#include "core/routes.hpp"

namespace fleet {

struct KeptFallback {
  static constexpr const char* kName = "KeptFallback";
  std::string boot_id;  // its targets, and the times in it, are of this boot
  RouteTable good;      // generation 0: none yet
  std::string bad_program;
  std::uint64_t bad_table = 0;
  std::string since, why;  // of the fallback that is in force; empty: none is
  FLEET_FIELDS(KeptFallback, boot_id, good, bad_program, bad_table, since, why)
};

Result<> write_fallback(const std::string& path, const KeptFallback& kept);
// As far as it is of use in this boot. None: it was never written, or cannot be read.
std::optional<KeptFallback> read_fallback(const std::string& path, const std::string& boot_id);

// Without the targets that are not in `now` any more: on what was theirs somebody else may listen.
RouteTable with_what_is_there(RouteTable good, const RouteTable& now);

}  // namespace fleet
