// Who listens where on this machine: /proc/net/tcp and tcp6 (proc(5)) as values. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.hpp"

namespace fleet::ctl::doctor {

struct Listening {
  Endpoint endpoint;  // as told: "0.0.0.0", "127.0.0.1", "::", "::1"
  std::uint64_t inode = 0;
};

// Of the text of either file; what is not understood is left out.
std::vector<Listening> listening(std::string_view table);

// Whether a socket of the one address keeps another from the other: the same, or one of them every address of the machine.
// IPv6's every address counts for IPv4 too, as it does for those who do not say otherwise.
bool collide(const Endpoint& a, const Endpoint& b);

}  // namespace fleet::ctl::doctor
