// The last build: where an app's source leads, when asked for and by itself.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "expect.hpp"
#include "support/eventually.hpp"
#include "support/fleet.hpp"

namespace fleet::test {
namespace {

using ::testing::HasSubstr;

class LatestTest : public ::testing::Test {
 protected:
  // The source is a manifest beside the builds.
  void point_to(const Fleet& fleet, const std::string& build, const std::string& version) {
    const auto path = source_ + "/latest.json";
    std::ofstream(path + ".new") << "{\"url\": \"" + fleet.pack(Build(build)) + "\", \"version\": \"" + version + "\"}";
    ASSERT_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
  }
  FleetSetup setup(std::vector<std::string> more = {}) {
    FleetSetup out;
    more.push_back("source = \"" + source_ + "/latest.json\"");
    out.demo_apps[0].lines = std::move(more);
    return out;
  }
  ~LatestTest() override { (void)::system(("rm -r " + source_).c_str()); }

  std::string source_ = [] {
    std::string folder = "/tmp/fleet-latest-XXXXXX";
    return std::string(::mkdtemp(folder.data()));
  }();
};

TEST_F(LatestTest, IsDeployedWhenAskedForAndNeverGoesBackUnlessForced) {
  Fleet fleet(setup());
  fleet.start();
  point_to(fleet, "two", "2.0");
  EXPECT_EQ(fleet.ctl({"deploy", "--latest"}).code, 0);
  EXPECT_EQ(fleet.get("/v1/apps/shop/releases")["releases"][0]["version"], "2.0");
  point_to(fleet, "one", "1.9");
  const auto refused = fleet.ctl({"deploy", "--latest"});
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err + refused.out, HasSubstr("version 1.9 is lower than 2.0"));
  EXPECT_EQ(fleet.app()["release"], 1);
  EXPECT_EQ(fleet.ctl({"deploy", "--latest", "--force"}).code, 0);
  EXPECT_EQ(fleet.app()["release"], 2);
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST_F(LatestTest, IsFollowedByItselfAndARollbackIsNotUndone) {
  Fleet fleet(setup({"poll = \"1s\""}));
  point_to(fleet, "one", "1");
  fleet.start();
  const auto runs = [&](int release) {
    return eventually([&] { return fleet.app()["release"] == release && fleet.app()["deployment"].is_null(); });
  };
  EXPECT_TRUE(runs(1));
  point_to(fleet, "two", "2");
  EXPECT_TRUE(runs(2));
  EXPECT_EQ(fleet.ctl({"rollback"}).code, 0);
  fleet.kill();
  fleet.start();
  EXPECT_TRUE(runs(1));
  point_to(fleet, "three", "3");
  EXPECT_TRUE(runs(3)) << "and not 2 again";
  EXPECT_EQ(fleet.get("/v1/apps/shop/releases")["releases"].size(), 3u);
  EXPECT_EQ(fleet.shutdown(), "");
}

}  // namespace
}  // namespace fleet::test
