#include "exchange/client_side.hpp"

#include <algorithm>

namespace fleet::proxy {

Task<bool> flush(Proxy& proxy, ClientSide& client) {
  const auto& limits = proxy.limits;
  auto until = Clock::now() + limits.client_idle;
  // T: about a block is queued, which leaves in this time at the least rate.
  const std::chrono::milliseconds patience(limits.min_rate == 0 ? 0 : kBlock * 1000 / limits.min_rate);
  const auto latest = limits.min_rate == 0 ? Clock::time_point::max() : until + patience;
  while (!client.flushed()) {
    if (client.peer.cut || client.gone() || Clock::now() >= std::min(until, latest)) co_return false;
    if (client.flush()) {
      until = Clock::now() + limits.client_idle;
      continue;
    }
    client.deadline.set(until);
    client.arm(false);
    if (!client.wakeup.take_pending()) co_await client.wakeup.sleep();
  }
  co_return !client.gone();
}

}  // namespace fleet::proxy
