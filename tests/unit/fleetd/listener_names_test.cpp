#include <gtest/gtest.h>

#include "listeners.hpp"

namespace fleet {
namespace {

TEST(ListenerNames, RoundTrip) {
  for (const auto& endpoint : {Endpoint{"0.0.0.0", 80}, Endpoint{"::", 443}, Endpoint{"2001:db8::1", 65535}}) {
    for (const auto scheme : {wire::Scheme::http, wire::Scheme::https}) {
      for (const std::uint32_t slot : {0u, 17u}) {
        const wire::ListenerInfo info{scheme, endpoint};
        const auto name = store_name(slot, info);
        EXPECT_EQ(name.find(':'), std::string::npos) << "systemd takes none: " << name;
        const auto back = parse_store_name(name);
        ASSERT_TRUE(back) << name;
        EXPECT_EQ(back->first, slot);
        EXPECT_TRUE(back->second == info) << name;
      }
    }
  }
}

TEST(ListenerNames, OfOthersAreNotTakenForOurs) {
  for (const auto* name : {"", "-", "--", "stored", "api", "x-http-0.0.0.0_80", "0-gopher-0.0.0.0_80", "0-http-0.0.0.0",
                           "0-http-0.0.0.0_99999", "-http-0.0.0.0_80", "99999999999-http-0.0.0.0_80", "0http0.0.0.0_80",
                           "1 -http-0.0.0.0_80"}) {
    EXPECT_FALSE(parse_store_name(name)) << name;
  }
}

}  // namespace
}  // namespace fleet
