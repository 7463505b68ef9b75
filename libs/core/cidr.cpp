#include "core/cidr.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fleet {
namespace {

constexpr unsigned kMapped = 96;  // bits before an IPv4 address

// The address with every bit from `bits` on set to `value`.
IpAddress filled(IpAddress address, unsigned bits, bool value) {
  for (unsigned i = bits / 8; i < address.bytes.size(); ++i) {
    const unsigned kept = i == bits / 8 ? bits % 8 : 0;
    const auto rest = static_cast<std::uint8_t>(0xffu >> kept);
    auto& byte = address.bytes[i];
    byte = static_cast<std::uint8_t>(value ? byte | rest : byte & ~rest);
  }
  return address;
}

std::optional<unsigned> parse_bits(std::string_view text, unsigned most) {
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  const bool padded = text.size() > 1 && text.front() == '0';
  if (error != std::errc() || end != text.data() + text.size() || bits > most || padded) return std::nullopt;
  return bits;
}

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace

bool IpAddress::is_v4() const {
  constexpr auto prefix = v4(0, 0, 0, 0).bytes;
  return std::memcmp(bytes.data(), prefix.data(), kMapped / 8) == 0;
}

std::optional<IpAddress> parse_address(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = "";
  if (text.size() >= sizeof terminated || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(terminated, text.data(), text.size());
  IpAddress address = IpAddress::v4(0, 0, 0, 0);
  const bool v6 = text.find(':') != std::string_view::npos;
  const int parsed = v6 ? ::inet_pton(AF_INET6, terminated, address.bytes.data())
                        : ::inet_pton(AF_INET, terminated, address.bytes.data() + kMapped / 8);
  return parsed == 1 ? std::optional(address) : std::nullopt;
}

std::string to_string(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = address.is_v4();
  ::inet_ntop(v4 ? AF_INET : AF_INET6, address.bytes.data() + (v4 ? kMapped / 8 : 0), text, sizeof text);
  return text;
}

Result<Cidr> parse_cidr(std::string_view text) {
  const auto slash = text.find('/');
  const auto address_text = text.substr(0, slash);
  const auto address = parse_address(address_text);
  if (!address) {
    return fail(ErrorKind::usage,
                in_quotes(text) + " is not an address or a block of them (such as \"10.0.0.0/8\" or \"::1\")");
  }
  Cidr cidr{*address, 128};
  if (slash == std::string_view::npos) return cidr;
  const unsigned before = address_text.find(':') == std::string_view::npos ? kMapped : 0;
  const auto bits = parse_bits(text.substr(slash + 1), 128 - before);
  if (!bits) {
    return fail(ErrorKind::usage, in_quotes(text) + " has no valid prefix length (0 to " +
                                      std::to_string(128 - before) + " after the slash)");
  }
  cidr.bits = before + *bits;
  const Cidr meant{filled(*address, cidr.bits, false), cidr.bits};
  if (meant.network == cidr.network) return cidr;
  return fail(ErrorKind::usage,
              in_quotes(text) + " has bits set behind its prefix (did you mean " + in_quotes(to_string(meant)) + "?)");
}

std::string to_string(const Cidr& cidr) {
  const bool v4 = cidr.network.is_v4() && cidr.bits >= kMapped;
  return to_string(cidr.network) + "/" + std::to_string(cidr.bits - (v4 ? kMapped : 0));
}

AddressSet::AddressSet(const std::vector<Cidr>& blocks) {
  for (const auto& [network, bits] : blocks) {
    auto& ranges = network.is_v4() && bits >= kMapped ? v4_ : v6_;
    ranges.push_back({network, filled(network, bits, true)});
  }
  settle(v4_);
  settle(v6_);
}

AddressSet AddressSet::of(const std::vector<std::string>& blocks) {
  std::vector<Cidr> parsed;
  for (const auto& block : blocks) {
    if (const auto cidr = parse_cidr(block)) parsed.push_back(*cidr);
  }
  return AddressSet(parsed);
}

bool AddressSet::within(const std::vector<Range>& ranges, const IpAddress& address) {
  const auto after = std::ranges::upper_bound(ranges, address, {}, &Range::first);
  return after != ranges.begin() && address <= std::prev(after)->last;
}

void AddressSet::settle(std::vector<Range>& ranges) {
  std::ranges::sort(ranges, {}, &Range::first);
  std::vector<Range> disjoint;
  for (const auto& range : ranges) {
    if (!disjoint.empty() && range.first <= disjoint.back().last) {
      disjoint.back().last = std::max(disjoint.back().last, range.last);
    } else {
      disjoint.push_back(range);
    }
  }
  ranges = std::move(disjoint);
}

}  // namespace fleet
