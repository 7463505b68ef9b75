// For a fleetd that has become another build and ends soon after, though it passed its trial: a child of the one before,
// which waits, and becomes that one again where nobody else has started a fleetd. Under systemd, which does, there is none.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet {

class Guard {
 public:
  static constexpr int kWatches = 30'000;  // ms from the moment it is left
  static constexpr int kWaits = 10'000;    // ms for somebody else

  // Just before this process becomes another program. `api_socket` tells whether a fleetd has ended as it was told to, when
  // it is gone, and whether one is there, when it answers. Errors: the system's, and there is no guard then.
  static Result<Guard> leave(const std::string& api_socket);

  // It did not become another.
  void dismiss();

 private:
  pid_t pid_ = -1;  // none
};

// Whether this process is one that a guard became. Asked once.
bool is_back_by_guard();

}  // namespace fleet
