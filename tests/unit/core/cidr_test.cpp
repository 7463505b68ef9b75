#include "core/cidr.hpp"

#include <gtest/gtest.h>

#include <random>

namespace fleet {
namespace {

IpAddress ip(std::string_view text) {
  const auto address = parse_address(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(IpAddress{});
}

std::string normal(std::string_view text) {
  const auto cidr = parse_cidr(text);
  return cidr ? to_string(*cidr) : "error: " + cidr.error().text;
}

TEST(Cidr, ReadsBlocksAndBareAddresses) {
  EXPECT_EQ(normal("10.0.0.0/8"), "10.0.0.0/8");
  EXPECT_EQ(normal("0.0.0.0/0"), "0.0.0.0/0");
  EXPECT_EQ(normal("192.0.2.7"), "192.0.2.7/32");
  EXPECT_EQ(normal("::1/128"), "::1/128");
  EXPECT_EQ(normal("::1"), "::1/128");
  EXPECT_EQ(normal("2001:DB8:0:0::/32"), "2001:db8::/32");
  EXPECT_EQ(normal("::/0"), "::/0");
}

TEST(Cidr, AMappedBlockIsTheIpv4Block) {
  EXPECT_EQ(normal("::ffff:10.0.0.0/104"), "10.0.0.0/8");
  EXPECT_EQ(parse_cidr("::ffff:10.0.0.0/104").value(), parse_cidr("10.0.0.0/8").value());
  EXPECT_EQ(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
}

TEST(Cidr, SaysWhatIsWrong) {
  EXPECT_EQ(normal("10.0.0.1/8"),
            "error: \"10.0.0.1/8\" has bits set behind its prefix (did you mean \"10.0.0.0/8\"?)");
  EXPECT_EQ(normal("10.0.0.0/33"), "error: \"10.0.0.0/33\" has no valid prefix length (0 to 32 after the slash)");
  EXPECT_EQ(normal("::/129"), "error: \"::/129\" has no valid prefix length (0 to 128 after the slash)");
  for (const auto* text : {"10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0/8/8",
                           "10.0.0.0/99999999999999"}) {
    EXPECT_NE(normal(text).find("no valid prefix length"), std::string::npos) << text;
  }
  for (const auto* text : {"", "/8", "10.0.0/8", "10.0.0.0.0/8", "010.0.0.0/8", "1.2.3.256", "host/8", "[::1]/128",
                           "fe80::1%eth0", ":::/8", " 10.0.0.0/8", "10.0.0.0 /8"}) {
    EXPECT_NE(normal(text).find("is not an address"), std::string::npos) << text;
  }
  EXPECT_FALSE(parse_address(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(parse_address(std::string(1000, '1')));
}

TEST(AddressSet, ContainsExactlyItsBlocks) {
  const auto set = AddressSet::of({"10.0.0.0/8", "10.1.0.0/16", "192.0.2.5", "172.16.0.0/12", "2001:db8::/33"});
  for (const auto* in : {"10.0.0.0", "10.255.255.255", "192.0.2.5", "172.31.255.255", "::ffff:10.1.2.3",
                         "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"}) {
    EXPECT_TRUE(set.contains(ip(in))) << in;
  }
  for (const auto* out : {"9.255.255.255", "11.0.0.0", "192.0.2.4", "192.0.2.6", "172.32.0.0", "::1", "::10.0.0.1",
                          "2001:db8:8000::", "0.0.0.0", "255.255.255.255"}) {
    EXPECT_FALSE(set.contains(ip(out))) << out;
  }
}

TEST(AddressSet, AllOfIpv6IsNotAllOfIpv4) {
  EXPECT_TRUE(AddressSet::of({"::/0"}).contains(ip("2001:db8::1")));
  EXPECT_FALSE(AddressSet::of({"::/0"}).contains(ip("10.0.0.1")));
  EXPECT_TRUE(AddressSet::of({"0.0.0.0/0"}).contains(ip("10.0.0.1")));
  EXPECT_FALSE(AddressSet::of({"0.0.0.0/0"}).contains(ip("::1")));
  EXPECT_TRUE(AddressSet().empty());
  EXPECT_FALSE(AddressSet().contains(ip("::1")));
}

TEST(AddressSet, AgreesWithLookingAtEachBlockBitByBit) {
  std::mt19937 random(7);
  const auto some = [&] {
    return IpAddress::v4(10, static_cast<std::uint8_t>(random() % 4), 0, static_cast<std::uint8_t>(random()));
  };
  const auto bit = [](const IpAddress& a, unsigned i) { return (a.bytes[i / 8] >> (7 - i % 8)) & 1; };
  for (int round = 0; round < 200; ++round) {
    std::vector<Cidr> blocks;
    for (unsigned i = 0; i < random() % 8; ++i) {
      Cidr block{some(), 104 + static_cast<unsigned>(random() % 25)};
      for (unsigned b = block.bits; b < 128; ++b)
        block.network.bytes[b / 8] &= static_cast<std::uint8_t>(~(1u << (7 - b % 8)));
      blocks.push_back(block);
    }
    const AddressSet set(blocks);
    for (int i = 0; i < 50; ++i) {
      const auto address = some();
      bool expected = false;
      for (const auto& block : blocks) {
        bool same = true;
        for (unsigned b = 0; b < block.bits; ++b) same = same && bit(address, b) == bit(block.network, b);
        expected = expected || same;
      }
      EXPECT_EQ(set.contains(address), expected) << to_string(address);
    }
  }
}

}  // namespace
}  // namespace fleet
