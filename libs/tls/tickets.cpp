#include "tls/tickets.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>

namespace fleet::tls {

std::string new_ticket_key() {
  std::string key(kTicketKeyBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1) std::abort();
  return key;
}

bool rotation_due(const TicketKeys& keys, std::int64_t now) {
  return keys.keys.empty() || now - keys.since >= kTicketKeyLife || now < keys.since;
}

TicketKeys announced(TicketKeys keys, std::string key) {
  keys.keys.push_back(std::move(key));
  return keys;
}

TicketKeys promoted(TicketKeys announced, std::int64_t now) {
  auto& keys = announced.keys;
  std::ranges::rotate(keys, keys.end() - 1);
  keys.resize(std::min(keys.size(), kTicketKeysKept));
  announced.since = now;
  return announced;
}

TicketKeys merged(const std::vector<TicketKeys>& held) {
  if (held.empty()) return {};
  auto all = *std::ranges::max_element(held, {}, &TicketKeys::since);
  for (const auto& one : held) {
    for (const auto& key : one.keys) {
      if (std::ranges::find(all.keys, key) == all.keys.end()) all.keys.push_back(key);
    }
  }
  all.keys.resize(std::min(all.keys.size(), 2 * kTicketKeysKept));
  return all;
}

}  // namespace fleet::tls
