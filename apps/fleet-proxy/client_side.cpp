#include "client_side.hpp"

namespace fleet::proxy {

Task<bool> flush(Proxy& proxy, ClientSide& client) {
  auto until = Clock::now() + proxy.limits.client_idle;
  while (!client.flushed()) {
    if (client.peer.cut || client.gone() || Clock::now() >= until) co_return false;
    if (client.flush()) {
      until = Clock::now() + proxy.limits.client_idle;
      continue;
    }
    client.deadline.set(until);
    client.arm(false);
    if (!client.wakeup.take_pending()) co_await client.wakeup.sleep();
  }
  co_return !client.gone();
}

}  // namespace fleet::proxy
