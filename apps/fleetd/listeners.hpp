// The listening sockets: each worker slot has its own of each address (SO_REUSEPORT), and fleetd keeps every one open,
// so that what is queued on a dead worker's is served by its successor.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/config.hpp"
#include "core/result.hpp"
#include "os/fd.hpp"
#include "wire/messages.hpp"

namespace fleet {

struct Listener {
  wire::ListenerInfo info;
  os::Fd fd;
};

class Listeners {
 public:
  // Takes a listener that was found again: in systemd's store, or with a worker.
  void adopt(std::uint32_t slot, wire::ListenerInfo info, os::Fd fd);

  // Makes what is missing for these slots and addresses, and closes what is no longer wanted. On error nothing has
  // changed. Errors name the address: "cannot bind 0.0.0.0:443: permission denied (needs CAP_NET_BIND_SERVICE)".
  Result<> prepare(const ProxyConfig& config);

  const std::vector<Listener>& of(std::uint32_t slot) const;

  // Takes those that a former fleetd put into systemd's store (sd_listen_fds_with_names(3)).
  void take_from_systemd();
  // Keeps them there; without systemd nothing happens.
  void keep_with_systemd() const;

 private:
  std::map<std::uint32_t, std::vector<Listener>> slots_;
};

}  // namespace fleet
