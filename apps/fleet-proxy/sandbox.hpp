// What a worker gives up before it meets the network: whoever takes it over gets no file and no program.
#pragma once

#include "core/result.hpp"

namespace fleet::proxy {

// No core dumps (memory holds keys), no new privileges, and a seccomp filter under which opening files, running
// programs, making processes, listening and looking into others fail with EPERM. Cannot be undone.
Result<> confine();

}  // namespace fleet::proxy
