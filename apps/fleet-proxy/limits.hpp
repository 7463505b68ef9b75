// How long and how much (PROXY-RULES T).
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/config.hpp"

namespace fleet::proxy {

struct Limits {
  using Ms = std::chrono::milliseconds;
  Ms handshake{5000};       // TLS
  Ms head{10000};           // a request head, from its first byte, or from accept
  Ms client_idle{30000};    // inactivity of the client within a request
  Ms keep_alive{75000};     // between requests
  Ms connect{1000};         // to an instance, on loopback
  Ms upstream_idle{60000};  // to the first byte of an answer, and between its bytes
  Ms tunnel_idle{3600000};  // inactivity of both sides of a tunnel
  Ms pool_idle{4000};       // of a pooled connection to an instance
  Ms fresh_enough{1000};    // pooled no longer than this, a connection may carry what must not be repeated (R4)
  Ms hold_retry{500};       // after refused connections, before the next round
  Ms replay_pause{20};      // before what may have arrived is sent again to the only target there is
  Ms lingering{2000};       // reading on after a closing answer (W1)
  Ms continue_after{1000};  // silence before our own 100 (P4)
  Ms asset{2000};           // to the head of a former release's file
  Ms ejection{1000};        // of a target after kEjectAfter refused connections

  std::uint32_t max_connections = 65536;
  std::uint32_t max_per_address = 16384;  // client connections of one address
  std::uint32_t max_head = 32u << 10;     // bytes of a request head
  std::uint32_t max_fields = 128;         // of a request
  std::uint32_t min_rate = 240;           // bytes per second of a client that is waited for; 0: any

  static constexpr std::size_t kPoolSize = 100;  // idle connections per target, and as many more as were busy at once
  static constexpr unsigned kEjectAfter = 3;

  // As configured.
  void take(const ProxySettings& settings) {
    const auto& [handshake_, head_, client_, keep_alive_, connect_, upstream_, pool_] = settings.timeouts;
    handshake = handshake_, head = head_, client_idle = client_, keep_alive = keep_alive_;
    connect = connect_, upstream_idle = upstream_, pool_idle = pool_;
    max_connections = settings.limits.connections, max_per_address = settings.limits.connections_per_address;
    max_head = settings.limits.head, max_fields = settings.limits.fields, min_rate = settings.limits.min_rate;
  }

  // Sets the duration called `name`; false when there is none.
  bool set(std::string_view name, Ms value) {
    const std::pair<std::string_view, Ms*> all[] = {{"handshake", &handshake},
                                                    {"head", &head},
                                                    {"client-idle", &client_idle},
                                                    {"keep-alive", &keep_alive},
                                                    {"connect", &connect},
                                                    {"upstream-idle", &upstream_idle},
                                                    {"tunnel-idle", &tunnel_idle},
                                                    {"pool-idle", &pool_idle},
                                                    {"fresh-enough", &fresh_enough},
                                                    {"hold-retry", &hold_retry},
                                                    {"replay-pause", &replay_pause},
                                                    {"lingering", &lingering},
                                                    {"continue-after", &continue_after},
                                                    {"asset", &asset},
                                                    {"ejection", &ejection}};
    for (const auto& [known, duration] : all) {
      if (known == name) return *duration = value, true;
    }
    return false;
  }
};

}  // namespace fleet::proxy
