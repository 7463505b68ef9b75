// One client connection from its handshake to its close: it speaks the protocol that the handshake agreed on.
#pragma once

#include "proxy.hpp"

namespace fleet::proxy {

class Session {
 public:
  // `with_header`: the connection begins with a PROXY header (P9).
  Session(Proxy& proxy, std::unique_ptr<Stream> stream, std::string address, bool https, bool internal = false,
          bool with_header = false)
      : proxy_(proxy), peer_(std::move(stream), std::move(address), https), with_header_(with_header) {
    peer_.internal = internal;
    proxy_.loop.watchdog.watch(peer_.deadline);
  }

  // Returns when the connection is done with. Runs once; must have returned before the session is destroyed.
  Task<> run();

  void wake() { peer_.wakeup.wake(); }
  // Ends it now, whatever it is doing. It may be over before this returns.
  void cut() {
    peer_.cut = true;
    peer_.wakeup.wake();
  }
  bool in_exchange() const { return peer_.exchanges > 0; }
  const Peer& peer() const { return peer_; }

 private:
  Task<bool> read_proxy_header();
  bool admit();
  Task<bool> handshake();

  Proxy& proxy_;
  Peer peer_;
  const bool with_header_;
};

}  // namespace fleet::proxy
