// The keys that session tickets are sealed with: made by fleetd, the same in all workers, changed twice a day. They are
// kept in the processes only: workers give them to the next fleetd, fleetd to the next worker, and nobody to a disk,
// where they would open what was recorded before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fleet::tls {

constexpr std::size_t kTicketKeyBytes = 80;          // name 16, HMAC 32, AES 32
constexpr std::int64_t kTicketKeyLife = 12 * 3600;   // seconds in which one encrypts
constexpr std::size_t kTicketKeysKept = 3;           // the one that encrypts, and its former two

struct TicketKeys {
  std::vector<std::string> keys;  // the first encrypts, all decrypt
  std::int64_t since = 0;         // when the first began to, in seconds since the epoch
};

std::string new_ticket_key();

bool rotation_due(const TicketKeys& keys, std::int64_t now);

// In two steps, so that no worker meets a ticket whose key it does not know: first all learn a key, then it encrypts.
TicketKeys announced(TicketKeys keys, std::string key);
TicketKeys promoted(TicketKeys announced, std::int64_t now);

// Of workers that may have stopped in different steps: whatever one of them encrypts with, all will decrypt.
TicketKeys merged(const std::vector<TicketKeys>& held);

}  // namespace fleet::tls
