// PROXY headers: an answer does not depend on what follows, nor a refusal on how the bytes come.
#include "http/proxy_protocol.hpp"
#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto bytes = input.rest();
  http::ProxyHeader header;
  const auto whole = http::parse_proxy_header(bytes, header);
  for (std::size_t size = 0; size <= bytes.size() && size < 300; ++size) {
    http::ProxyHeader part;
    const auto cut = http::parse_proxy_header(bytes.substr(0, size), part);
    if (!cut) {
      require(!whole, "what is refused early is refused");
      return;
    }
    if (*cut == 0) continue;
    require(whole && *whole == *cut, "a complete header stays complete");
    require(part.tells == header.tells && part.client == header.client, "and says the same");
    return;
  }
}
