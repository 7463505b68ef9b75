// Whose socket it is that listens on a port of this machine's loopback.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace fleet::os {

// The users of the sockets that would get a connection to 127.0.0.1:`port`, as the kernel says at this moment. Empty:
// nobody listens there, or it cannot be known.
std::vector<uid_t> listener_owners(std::uint16_t port);

}  // namespace fleet::os
