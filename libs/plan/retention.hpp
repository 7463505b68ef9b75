// Which releases of an app need not be kept. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.hpp"

namespace fleet::plan {

struct KeptRelease {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;  // unpacked
  milliseconds age{0};      // since it was fetched
  bool needed = false;      // it is current, the one before, to be gone back to, or runs
  bool pinned = false;
};

struct Expendable {
  std::uint64_t number = 0;
  std::string why;
  bool operator==(const Expendable&) const = default;
};

// Never one that is needed or pinned; neither counts as one of keep.releases, both count in keep.bytes. `kept`: all whose
// files are there, newest first; so is the answer.
std::vector<Expendable> expendable(const std::vector<KeptRelease>& kept, const KeepConfig& keep);

}  // namespace fleet::plan
