// The files that workers write access logs to: opened by fleetd, since workers open none, and rotated.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "os/fd.hpp"
#include "paths.hpp"

namespace fleet {

class AccessLogFiles {
 public:
  struct Rotation {
    std::uint64_t size = 0;  // bytes at which a file is put aside
    std::uint32_t keep = 0;  // files put aside: access.log.1 is the newest
  };

  explicit AccessLogFiles(const Paths& paths) : paths_(paths) {}

  // The descriptor of an app's file, for appending; -1: it cannot be opened, which is said once.
  int open(const std::string& app);

  // Rotates what has grown too large, and opens anew what is no longer the file of its name, for somebody else has
  // rotated it; with `all`, everything. Returns the apps that have another descriptor now.
  std::vector<std::string> tend(const Rotation& rotation, bool all);

  // Closes those of other apps.
  void keep_only(const std::set<std::string>& apps);

 private:
  const Paths& paths_;
  std::map<std::string, os::Fd> files_;  // by app; none: could not be opened
};

}  // namespace fleet
