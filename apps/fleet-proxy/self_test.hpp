// The worker's first request: through its own stack, over a socket pair, answered by itself.
#pragma once

#include "clients/door.hpp"

namespace fleet::proxy {

Task<Result<>> self_test(Proxy& proxy, Door& door);

}  // namespace fleet::proxy
