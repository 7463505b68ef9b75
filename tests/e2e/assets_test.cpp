// A page of the former release asks, after the switch, for that release's files.
#include <gtest/gtest.h>
#include <signal.h>

#include "expect.hpp"
#include "support/eventually.hpp"

namespace fleet::test {
namespace {

FleetSetup setup() {
  FleetSetup made;
  made.demo_apps[0].instances = 1;
  made.demo_apps[0].lines = {"keep_releases = 0"};
  return made;
}

Build build(const std::string& version) {
  Build made(version);
  made.app_file = "assets = { \"/assets/\" = \"public/assets\" }\n";
  made.files["public/assets/app-" + version + ".js"] = "script of " + version;
  made.files["public/secret"] = "secret";
  return made;
}

std::string fetched(const Fleet& fleet, const std::string& path) {
  const auto response = fetch(fleet.http(), "GET", path);
  if (!response) return response.error().text;
  return std::to_string(response->status) + " " + (response->status == 200 ? response->body : "");
}

TEST(Assets, OfTheFormerReleaseAreThereUntilItIsRemoved) {
  Fleet fleet(setup());
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy(build("v1")), kDone));
  EXPECT_EQ(fetched(fleet, "/assets/app-v1.js"), "404 ");
  ASSERT_TRUE(ended(fleet.deploy(build("v2")), kDone));
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_EQ(fetched(fleet, "/assets/app-v1.js"), "200 script of v1");
  EXPECT_EQ(fetched(fleet, "/assets/app-v2.js"), "404 ");
  EXPECT_EQ(fetched(fleet, "/secret"), "404 ");

  fleet.kill();
  EXPECT_EQ(fetched(fleet, "/assets/app-v1.js"), "200 script of v1");
  fleet.start();
  EXPECT_EQ(fetched(fleet, "/assets/app-v1.js"), "200 script of v1");

  const auto before = fleet.worker_pids();
  for (const auto worker : before) ::kill(worker, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = fleet.worker_pids();
    return now.size() == before.size() && now != before;
  }));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(fetched(fleet, "/assets/app-v1.js"), "200 script of v1");

  ASSERT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  EXPECT_EQ(fetched(fleet, "/assets/app-v2.js"), "200 script of v2");
  EXPECT_EQ(fetched(fleet, "/assets/app-v1.js"), "404 ");

  ASSERT_TRUE(ended(fleet.deploy(build("v3")), kDone));
  ASSERT_TRUE(ended(fleet.deploy(build("v4")), kDone));
  ASSERT_TRUE(ended(fleet.ctl({"gc"}), kDone));
  EXPECT_EQ(fetched(fleet, "/assets/app-v3.js"), "200 script of v3");
  EXPECT_EQ(fetched(fleet, "/assets/app-v2.js"), "404 ");
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST(Assets, AreWhereTheOperatorSaysWhateverTheBuildDoes) {
  auto made = setup();
  made.demo_apps[0].lines.push_back("assets = { \"/assets/\" = \"public/other\" }");
  Fleet fleet(made);
  fleet.start();
  auto first = build("v1");
  first.files["public/other/app-v1.js"] = "other";
  ASSERT_TRUE(ended(fleet.deploy(first), kDone));
  ASSERT_TRUE(ended(fleet.deploy(build("v2")), kDone));
  EXPECT_EQ(fetched(fleet, "/assets/app-v1.js"), "200 other");
  EXPECT_EQ(fleet.shutdown(), "");
}

}  // namespace
}  // namespace fleet::test
