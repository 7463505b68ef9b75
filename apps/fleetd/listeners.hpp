// The listening sockets: each worker slot has its own of each address (SO_REUSEPORT), and fleetd keeps every one open,
// so that what is queued on a dead worker's is served by its successor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
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

// The name of a listener in systemd's store, and back; nothing if it is no such name.
std::string store_name(std::uint32_t slot, const wire::ListenerInfo& info);
std::optional<std::pair<std::uint32_t, wire::ListenerInfo>> parse_store_name(std::string text);

class Listeners {
 public:
  // Takes a listener that was found again: in systemd's store, or with a worker.
  void adopt(std::uint32_t slot, wire::ListenerInfo info, os::Fd fd);

  // Makes what is missing for these slots and addresses, besides what there is. On error nothing has changed. Errors
  // name the address: "cannot bind 0.0.0.0:443: permission denied (needs CAP_NET_BIND_SERVICE)".
  Result<> prepare(const ProxyConfig& config);
  // Closes those of other slots and addresses, here and in systemd's store: on a listener that somebody holds and
  // nobody serves, clients would wait for ever.
  void drop_others(const ProxyConfig& config);

  const std::vector<Listener>& of(std::uint32_t slot) const;

  // Under the names that the next fleetd knows them by (store_name).
  std::vector<std::pair<std::string, int>> by_name() const;
  // Keeps them in systemd's store; without systemd nothing happens.
  void keep_with_systemd() const;

 private:
  std::map<std::uint32_t, std::vector<Listener>> slots_;
};

}  // namespace fleet
