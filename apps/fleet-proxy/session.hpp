// One client connection from its handshake to its close: it speaks the protocol that the handshake agreed on.
#pragma once

#include "proxy.hpp"

namespace fleet::proxy {

class Session {
 public:
  Session(Proxy& proxy, std::unique_ptr<Stream> stream, std::string address, bool https, bool internal = false)
      : proxy_(proxy), peer_(std::move(stream), std::move(address), https) {
    peer_.internal = internal;
    proxy_.loop.watchdog.watch(peer_.deadline);
  }

  // Returns when the connection is done with. Runs once; must have returned before the session is destroyed.
  Task<> run();

  // Ends it now, whatever it is doing. It may be over before this returns.
  void cut() {
    peer_.cut = true;
    peer_.wakeup.wake();
  }
  bool in_exchange() const { return peer_.exchanges > 0; }

 private:
  Task<bool> handshake();

  Proxy& proxy_;
  Peer peer_;
};

}  // namespace fleet::proxy
