// Frames of a WebSocket: the boundaries are the same however the bytes come.
#include "http/websocket.hpp"

#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto bytes = input.rest();
  http::WebSocketFrames whole, slow;
  whole.pass(bytes);
  for (std::size_t at = 0; at < bytes.size();) {
    const auto promised = slow.until_boundary();
    slow.pass(bytes.substr(at, 1));
    ++at;
    if (promised > 1) require(slow.until_boundary() == promised - 1, "a promised byte brings the boundary nearer");
  }
  require(whole.until_boundary() == slow.until_boundary() && whole.closed() == slow.closed(), "pieces do not matter");
}
