// Connections per address, and who leaves when there is no room: section T.
#include "clients/guests.hpp"

#include <gmock/gmock.h>

#include <memory>

namespace fleet::proxy {
namespace {

using testing::ElementsAre;

IpAddress ip(std::string_view text) { return parse_address(text).value(); }

TEST(Guests, T_CountsTheConnectionsOfAnAddress) {
  Guests guests;
  EXPECT_EQ(guests.connections_of(ip("192.0.2.1")), 0u);
  auto first = std::make_unique<Guests::Place>(guests, ip("192.0.2.1"));
  const Guests::Place other(guests, ip("192.0.2.2"));
  {
    const Guests::Place second(guests, ip("::ffff:192.0.2.1"));
    EXPECT_EQ(guests.connections_of(ip("192.0.2.1")), 2u);
    EXPECT_EQ(first->of_same_guest(), 2u);
  }
  EXPECT_EQ(first->of_same_guest(), 1u);
  first.reset();
  EXPECT_EQ(guests.connections_of(ip("192.0.2.1")), 0u);
  EXPECT_EQ(guests.connections_of(ip("192.0.2.2")), 1u);
}

TEST(Guests, T_ANetworkOfIpv6IsOneGuest) {
  Guests guests;
  const Guests::Place one(guests, ip("2001:db8::1")), two(guests, ip("2001:db8::ffff:1"));
  EXPECT_EQ(guests.connections_of(ip("2001:db8::2")), 2u);
  EXPECT_EQ(guests.connections_of(ip("2001:db8:0:1::1")), 0u);
  EXPECT_EQ(guests.connections_of(ip("0.0.0.0")), 0u);
}

std::vector<std::size_t> leavers(std::vector<Idler> idlers, std::size_t count) {
  choose_leavers(idlers, count);
  std::vector<std::size_t> indices;
  for (const auto& idler : idlers) indices.push_back(idler.index);
  std::ranges::sort(indices);
  return indices;
}

TEST(Guests, T_TheGreediestLeaveFirstAndAmongEqualsTheLongestIdle) {
  const auto at = [](int s) { return Clock::time_point{} + std::chrono::seconds(s); };
  const std::vector<Idler> idlers{{0, 1, at(1)}, {1, 5, at(9)}, {2, 5, at(3)}, {3, 5, at(7)}, {4, 2, at(0)}};
  EXPECT_THAT(leavers(idlers, 1), ElementsAre(2));
  EXPECT_THAT(leavers(idlers, 2), ElementsAre(2, 3));
  EXPECT_THAT(leavers(idlers, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(leavers(idlers, 9), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(leavers({}, 1), ElementsAre());
}

}  // namespace
}  // namespace fleet::proxy
