#include <gtest/gtest.h>

#include "plan/instance.hpp"

namespace fleet::plan {
namespace {

TEST(InstanceName, IsReadAsItIsWritten) {
  const auto name = parse_instance_name("shop-v42-117");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->app, "shop");
  EXPECT_EQ(name->release, 42u);
  EXPECT_EQ(name->serial, 117u);
  EXPECT_EQ(to_string(*name), "shop-v42-117");
  EXPECT_EQ(parse_instance_name("shop-v1-v42-117")->app, "shop-v1");
  EXPECT_EQ(parse_instance_name("a-b-v1-2")->app, "a-b");
}

TEST(InstanceName, NothingElseIsOne) {
  for (const auto* other : {"", "-", "shop", "shop-v1", "shop-v-2", "shop-vx-2", "shop-v1-", "shop-v1-2x", "-v1-2", "v1-2", "-v",
                            "worker-0-1795416385252", "shop-v99999999999999999999-1", "shop-v+1-2", "shop-v1--2"}) {
    EXPECT_FALSE(parse_instance_name(other)) << other;
  }
}

}  // namespace
}  // namespace fleet::plan
