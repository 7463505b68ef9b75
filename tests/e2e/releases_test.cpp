// The releases that are kept: which, for how long, and what they are good for.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "expect.hpp"
#include "support/eventually.hpp"
#include "support/file_server.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

FleetSetup keeping(std::vector<std::string> lines) {
  FleetSetup setup;
  setup.demo_apps[0].instances = 1;
  setup.demo_apps[0].lines = std::move(lines);
  return setup;
}

// "3 current", "2 previous", ... as far as their files are there.
std::vector<std::string> kept(const Fleet& fleet) {
  std::vector<std::string> all;
  const auto view = fleet.get("/v1/apps/shop/releases");
  for (const auto& release : view.at("releases")) {
    const auto number = std::to_string(release.at("release").get<int>());
    const auto state = release.at("state").get<std::string>();
    EXPECT_EQ(fs::is_directory(fleet.root() + "/state/releases/shop/" + number), state != "removed") << number;
    if (state != "removed") all.push_back(number + " " + state + (release.at("pinned") == true ? " pinned" : ""));
  }
  return all;
}

void deploy_each(const Fleet& fleet, std::initializer_list<const char*> versions) {
  for (const auto* version : versions) ASSERT_TRUE(ended(fleet.deploy({version}), kDone)) << version;
}

TEST(Releases, AreKeptByNumberAndAPinnedOneStays) {
  Fleet fleet(keeping({"keep_releases = 1"}));
  fleet.start();
  deploy_each(fleet, {"v1", "v2", "v3"});
  EXPECT_THAT(kept(fleet), ElementsAre("3 current", "2 previous", "1 kept"));
  EXPECT_TRUE(ended(fleet.ctl({"pin", "v1"}), kDone));
  deploy_each(fleet, {"v4", "v5"});
  EXPECT_THAT(kept(fleet), ElementsAre("5 current", "4 previous", "3 kept", "1 kept pinned"));
  EXPECT_TRUE(ended(fleet.ctl({"unpin", "1"}), kDone));
  EXPECT_TRUE(ended(fleet.ctl({"pin", "2"}), kUsage)) << "its files are gone";
  EXPECT_TRUE(ended(fleet.ctl({"pin", "77"}), kUsage));

  const auto would = fleet.ctl({"gc", "--dry-run", "--json"});
  ASSERT_TRUE(ended(would, kDone));
  const auto view = Json::parse(would.out);
  ASSERT_EQ(view.at("removed").size(), 1u) << would.out;
  EXPECT_EQ(view.at("removed")[0].at("release"), 1);
  EXPECT_EQ(view.at("removed")[0].at("why"), "keep_releases");
  EXPECT_GT(view.at("bytes").get<std::uint64_t>(), 10'000u);
  EXPECT_THAT(kept(fleet), ElementsAre("5 current", "4 previous", "3 kept", "1 kept"));
  const auto did = fleet.ctl({"gc"});
  ASSERT_TRUE(ended(did, kDone));
  EXPECT_THAT(did.out, HasSubstr("v1"));
  EXPECT_THAT(kept(fleet), ElementsAre("5 current", "4 previous", "3 kept"));
  EXPECT_EQ(fleet.ctl({"gc"}).out, "nothing to remove\n");
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST(Releases, AreKeptByBytesButNeverTooFewToGoBack) {
  Fleet fleet(keeping({"keep_bytes = \"1KiB\""}));
  fleet.start();
  deploy_each(fleet, {"v1", "v2", "v3"});
  EXPECT_THAT(kept(fleet), ElementsAre("3 current", "2 previous"));
  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  EXPECT_TRUE(serves(fleet, "v2"));
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST(Releases, ARollbackNeedsNoNetwork) {
  Fleet fleet(keeping({"allow_insecure = true"}));
  fleet.start();
  {
    FileServer builds(fleet.root());
    for (const auto* version : {"v1", "v2"}) {
      const auto build = fs::path(fleet.pack({version})).filename().string();
      ASSERT_TRUE(ended(fleet.ctl({"deploy", builds.url(build)}), kDone));
      fs::remove(fleet.root() + "/" + build);
    }
  }
  Traffic traffic(fleet);
  traffic.flow();
  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kDone)) << "the build server is gone";
  EXPECT_TRUE(serves(fleet, "v1"));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(200), {"v2", "v1"}));
  EXPECT_EQ(fleet.shutdown(), "");
}

std::uint64_t inode_of(const std::string& path) {
  struct stat is {};
  EXPECT_EQ(::stat(path.c_str(), &is), 0) << path;
  return is.st_ino;
}

std::string sha256_of_release(const Fleet& fleet, const std::string& app, int number) {
  const auto releases = fleet.get("/v1/apps/" + app + "/releases").at("releases");
  for (const auto& release : releases) {
    if (release.at("release") == number) return release.at("sha256");
  }
  return "";
}

TEST(Releases, ABuildThatIsKnownIsNeitherFetchedNorUnpackedAndAppsShareIt) {
  auto setup = keeping({});
  setup.demo_apps.push_back(setup.demo_apps[0]);
  setup.demo_apps[1].name = "desk";
  setup.demo_apps[1].lines = {"hosts = [\"desk.test\"]"};
  setup.port_blocks = 2;
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}, {"--app", "shop"}), kDone));
  ASSERT_TRUE(ended(fleet.deploy({"v2"}, {"--app", "shop"}), kDone));
  const auto sha256 = sha256_of_release(fleet, "shop", 1);
  const std::string gone = "https://127.0.0.1:1/gone.tar.gz";
  int fastest = 1'000'000;  // until it is in warm, in ms
  const auto deploy_known = [&](const std::string& app, const std::string& digest) {
    const auto accepted = fleet.call("POST", "/v1/apps/" + app + "/deployments", Json{{"url", gone}, {"sha256", digest}}.dump());
    ASSERT_EQ(accepted.status, 202) << accepted.body;
    const auto view = fleet.wait_end(Json::parse(accepted.body).at("id"));
    ASSERT_EQ(view.at("state"), "succeeded") << view.dump();
    ASSERT_EQ(view.at("phases")[0].at("phase"), "prepare");
    fastest = std::min(fastest, view.at("phases")[0].at("ms").get<int>());
  };
  deploy_known("shop", sha256);
  deploy_known("desk", sha256);
  const auto other = sha256_of_release(fleet, "shop", 2);
  const auto releases = fleet.root() + "/state/releases/";
  const auto shared = inode_of(releases + "shop/1/bin/server");
  EXPECT_EQ(inode_of(releases + "shop/3/bin/server"), shared);
  EXPECT_EQ(inode_of(releases + "desk/1/bin/server"), shared);
  EXPECT_NE(inode_of(releases + "shop/2/bin/server"), shared);
  for (int more = 0; more < 2 || (fastest >= 50 * kRoom && more < 12); ++more) {  // this machine may be busy meanwhile
    deploy_known("desk", more % 2 == 0 ? other : sha256);
  }
  EXPECT_LT(fastest, 50 * kRoom);
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST(Releases, ALocalBuildIsForThoseOnTheMachineOnlyUnlessThereAreRoots) {
  auto setup = keeping({});
  setup.tcp_api = true;
  setup.token = "correct-horse-battery-staple";
  Fleet fleet(setup);
  fleet.start();
  const auto artifact = fleet.pack({"v1"});
  const auto response = fetch(fleet.api_tcp(), "POST", "/v1/apps/shop/deployments",
                              {"Content-Type: application/json", "Authorization: Bearer " + setup.token},
                              Json{{"url", artifact}}.dump());
  ASSERT_TRUE(response);
  ASSERT_EQ(response->status, 202);
  const auto refused = fleet.wait_end(Json::parse(response->body).at("id"));
  EXPECT_EQ(refused.at("state"), "failed");
  EXPECT_THAT(refused.at("error").at("text").get<std::string>(), HasSubstr("file_roots"));
  EXPECT_TRUE(ended(fleet.ctl({"deploy", artifact}), kDone)) << "from here it goes";
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST(Releases, TheFetchTellsHowFarItIs) {
  Fleet fleet(keeping({"allow_insecure = true"}));
  fleet.start();
  FileServer builds(fleet.root());
  const auto build = fs::path(fleet.pack({"v1", {}, 4u << 20})).filename().string();
  builds.hold();
  const auto id = fleet.begin_deploy(builds.url(build));
  ASSERT_TRUE(eventually([&] { return builds.someone_waits() && !fleet.deployment(id).at("progress").is_null() &&
                                      fleet.deployment(id).at("progress").at("bytes") > 0; }));
  const auto progress = fleet.app().at("deployment").at("progress");
  EXPECT_EQ(progress.at("step"), "download");
  EXPECT_EQ(progress.at("total"), fs::file_size(fleet.root() + "/" + build));
  EXPECT_THAT(fleet.ctl({"status"}).out, HasSubstr("download "));
  builds.release();
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  EXPECT_EQ(fleet.shutdown(), "");
}

TEST(Releases, WhatAKilledFetchHasLeftIsFoundAndRemoved) {
  Fleet fleet(keeping({}));
  fleet.start();
  deploy_each(fleet, {"v1"});
  const auto left = fleet.root() + "/state/releases/shop/2.tmp-4242";
  fs::create_directories(left + "/bin");
  EXPECT_THAT(fleet.ctl({"gc", "--dry-run"}).out, HasSubstr("2.tmp-4242"));
  EXPECT_TRUE(fs::exists(left));
  EXPECT_TRUE(ended(fleet.ctl({"gc"}), kDone));
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_EQ(fleet.shutdown(), "");
}

}  // namespace
}  // namespace fleet::test
