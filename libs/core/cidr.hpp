// IP addresses as 16 bytes and blocks of them ("10.0.0.0/8", "::1/128"). IPv4 is kept as IPv6 maps it (::ffff:a.b.c.d),
// so that one client has one address whichever kind of socket it came by.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace fleet {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const IpAddress&) const = default;

  static constexpr IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
  }
  bool is_v4() const;
};

// As inet_pton(3) reads them; no brackets, port, zone or leading zeros.
std::optional<IpAddress> parse_address(std::string_view);
std::string to_string(const IpAddress&);  // "10.0.0.1", "2001:db8::1"

struct Cidr {
  IpAddress network;
  unsigned bits = 128;  // of the 16 bytes: 96 more than an IPv4 block is written with
  bool operator==(const Cidr&) const = default;
};

// A bare address is a block of one. Set bits behind the prefix are an error, as they are mostly a mistake.
Result<Cidr> parse_cidr(std::string_view);
std::string to_string(const Cidr&);  // as it would be written

// Many blocks, asked fast. "::/0" has no IPv4 address in it.
class AddressSet {
 public:
  AddressSet() = default;
  explicit AddressSet(const std::vector<Cidr>& blocks);
  // Skips what parse_cidr refuses: for text that the configuration's reader has seen already.
  static AddressSet of(const std::vector<std::string>& blocks);

  bool empty() const { return v4_.empty() && v6_.empty(); }
  bool contains(const IpAddress& address) const { return within(address.is_v4() ? v4_ : v6_, address); }

 private:
  struct Range {
    IpAddress first, last;
  };
  static bool within(const std::vector<Range>& ranges, const IpAddress& address);
  static void settle(std::vector<Range>& ranges);

  std::vector<Range> v4_, v6_;  // ascending, disjoint
};

}  // namespace fleet
