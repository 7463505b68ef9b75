// The folders of releases on disk: how they go, and what that gives back.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace fleet {

// First it has its name no more, in one step, so that no release is ever there in part: what fetches that were killed
// leave behind is named and removed in the same way, and one that a fetch is just linking from is left for later under that
// name. Not being there is success.
Result<> remove_release(const std::string& folder);

// What is left in an app's folder of releases by fetches, or removals, that were killed. Those under way are not.
std::vector<std::string> abandoned_in(const std::string& folder);

// Counts what the removal of folders gives back on disk: files may be linked from several.
class Reclaim {
 public:
  // Bytes that this folder's removal gives back, once those counted before are gone.
  std::uint64_t count(const std::string& folder);

 private:
  using File = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
  std::multiset<File> seen_;
};

}  // namespace fleet
