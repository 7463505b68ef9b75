#include "doctor/sockets_table.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <sstream>

namespace fleet::ctl::doctor {
namespace {

constexpr std::string_view kListens = "0A";

std::optional<std::uint32_t> hex(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// "0100007F:1F90": words of 32 bits in the machine's own order.
std::optional<Endpoint> endpoint_of(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  std::uint32_t words[4] = {};
  for (std::size_t i = 0; i < colon / 8; ++i) {
    const auto word = hex(text.substr(i * 8, 8));
    if (!word) return std::nullopt;
    words[i] = *word;
  }
  const auto port = hex(text.substr(colon + 1));
  char address[INET6_ADDRSTRLEN] = "";
  if (!port || *port > 0xffff || !::inet_ntop(colon == 8 ? AF_INET : AF_INET6, words, address, sizeof address)) return std::nullopt;
  return Endpoint{address, static_cast<std::uint16_t>(*port)};
}

bool is_every(const std::string& address) { return address == "0.0.0.0" || address == "::"; }
bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

}  // namespace

std::vector<Listening> listening(std::string_view table) {
  std::vector<Listening> all;
  std::istringstream lines{std::string(table)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retransmits, uid, timeout;
    std::uint64_t inode = 0;
    if (!(words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode)) continue;
    const auto endpoint = endpoint_of(local);
    if (endpoint && state == kListens) all.push_back({*endpoint, inode});
  }
  return all;
}

bool collide(const Endpoint& a, const Endpoint& b) {
  if (a.port != b.port) return false;
  if (a.address == b.address) return true;
  if (is_v6(a.address) == is_v6(b.address)) return is_every(a.address) || is_every(b.address);
  return a.address == "::" || b.address == "::";
}

}  // namespace fleet::ctl::doctor
