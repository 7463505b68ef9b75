#include "session.hpp"

#include "http1_connection.hpp"

namespace fleet::proxy {

Task<> Session::run() {
  if (!co_await handshake()) co_return;
  Http1Connection connection(proxy_, peer_);
  co_await connection.run();
}

Task<bool> Session::handshake() {
  const auto until = Clock::now() + proxy_.limits.handshake;
  peer_.deadline.set(until);
  peer_.stream->socket().readable = true;
  for (;;) {
    const auto result = peer_.stream->handshake();
    if (result.status == IoStatus::done) co_return true;
    if (result.status != IoStatus::again) co_return false;
    peer_.stream->arm_read();
    if (!peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
    if (peer_.cut || Clock::now() >= until) co_return false;
  }
}

}  // namespace fleet::proxy
