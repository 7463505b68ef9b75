// Unix stream sockets, and descriptors sent over them (unix(7), SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::os {

// Non-blocking listening socket at `path` with this file mode; a stale file there is replaced. The path must be under
// 108 bytes (sun_path).
Result<Fd> listen_unix(const std::string& path, mode_t mode);

// Non-blocking datagram socket at `path` with this file mode, told its senders' credentials (SO_PASSCRED); a stale file
// there is replaced.
Result<Fd> bind_unix_datagram(const std::string& path, mode_t mode);

// Connected, non-blocking. Local connects do not wait: ECONNREFUSED/ENOENT means that nobody listens.
Result<Fd> connect_unix(const std::string& path);

// A connected pair, both non-blocking.
Result<std::pair<Fd, Fd>> unix_pair();

// Who is at the other end of a connected socket (SO_PEERCRED).
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};
Result<PeerCredentials> peer_credentials(int fd);

struct IoResult {
  std::size_t bytes = 0;
  bool would_block = false;
  bool closed = false;  // receive only: end of stream
};

// Sends what fits now; `fds` go with the first byte, if at least one byte goes.
Result<IoResult> send_some(int fd, std::string_view bytes, std::span<const int> fds = {});

// Receives what is there, appending to `bytes`, and to `fds` (close-on-exec). Non-blocking.
Result<IoResult> receive_some(int fd, std::string& bytes, std::vector<Fd>& fds);

}  // namespace fleet::os
