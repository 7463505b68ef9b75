// The view of the file system that a started program has to itself (mount_namespaces(7)), for os::spawn.
#pragma once

#include <string>
#include <vector>

#include "core/confinement.hpp"
#include "core/result.hpp"

namespace fleet::os {

class Mounts {
 public:
  Mounts() = default;  // everybody's
  // Allocates all that apply() will need.
  explicit Mounts(const Confinement& confined);

  // In the child, which may not allocate, while it has the rights of whoever starts it. False: see errno.
  bool apply();

 private:
  // Mounted over `target` as it is now, whatever becomes of the rest.
  struct Kept {
    std::string source, target;
    bool is_tmp = false;
    int fd = -1;
  };
  std::vector<Kept> kept_;
  bool read_only_ = false;
};

// Whether this process can start programs with mounts of their own; the error says why not.
Result<> can_have_mounts();

}  // namespace fleet::os
