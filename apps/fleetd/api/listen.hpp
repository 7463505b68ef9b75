// Where the API's peers come in: listening sockets, and who is at the other end.
#pragma once

#include <sys/types.h>

#include <string>

#include "api/http.hpp"
#include "core/config.hpp"
#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::api {

// Non-blocking; port 0 lets the kernel choose.
Result<os::Fd> listen_tcp(const Endpoint& endpoint);
Result<Endpoint> bound_endpoint(int fd);
bool is_loopback(const Endpoint& endpoint);

// Who is at the other end of a unix socket; `group` is that of the listening socket.
Peer unix_peer(int fd, gid_t group);

}  // namespace fleet::api
