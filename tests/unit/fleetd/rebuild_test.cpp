#include "rebuild.hpp"

#include <gmock/gmock.h>

#include "temp_dir.hpp"

namespace fleet {
namespace {

using plan::InstancePhase;
using ::testing::ElementsAre;

AppConfig shop(std::uint32_t instances = 2) {
  AppConfig config;
  config.name = "shop";
  config.instances = instances;
  return config;
}

FoundInstance found(const std::string& id, const std::string& port) {
  return {id, 100, 7, "/run/http/shop/" + id.substr(5), {{"PORT", port}, {"FLEET_APP", "shop"}}};
}

Remains nothing() {
  Remains remains;
  remains.port_first = 2000, remains.port_last = 2999;
  return remains;
}

TEST(Rebuilt, WhatRunsOfTheCurrentReleaseServesOnAndTheRestDrains) {
  auto remains = nothing();
  remains.running = {found("shop-v3-7", "2001"), found("shop-v4-8", "2002"), found("shop-v4-9", "2003")};
  remains.releases = {2, 3, 4};
  remains.current = CurrentRelease{3, "abc"};
  const auto state = rebuilt(shop(), remains, milliseconds(5000));
  EXPECT_EQ(state.current, 3u);
  EXPECT_EQ(state.current_sha256, "abc");
  EXPECT_EQ(state.previous, 2u);
  EXPECT_EQ(state.next_release, 5u);
  EXPECT_EQ(state.next_serial, 10u);
  ASSERT_EQ(state.instances.size(), 3u);
  EXPECT_EQ(state.instances[0].phase, InstancePhase::ready);
  EXPECT_EQ(state.instances[0].port, 2001);
  EXPECT_EQ(state.instances[0].pid, 100u);
  EXPECT_TRUE(state.instances[0].wanted);
  for (const auto i : {1u, 2u}) {
    EXPECT_EQ(state.instances[i].phase, InstancePhase::draining);
    EXPECT_FALSE(state.instances[i].wanted);
    EXPECT_NE(state.instances[i].generation, 0u);
    EXPECT_GT(state.instances[i].deadline.count(), 5000);
  }
}

TEST(Rebuilt, WithoutAWordOfTheCurrentReleaseItIsWhatMostInstancesRun) {
  auto remains = nothing();
  remains.running = {found("shop-v3-7", "2001"), found("shop-v3-8", "2002"), found("shop-v4-9", "2003")};
  remains.releases = {3, 4};
  EXPECT_EQ(rebuilt(shop(), remains, milliseconds(0)).current, 3u);
  remains.current = CurrentRelease{9, "its folder is gone"};
  EXPECT_EQ(rebuilt(shop(), remains, milliseconds(0)).current, 3u);
  remains.running.erase(remains.running.begin());
  remains.current.reset();
  EXPECT_EQ(rebuilt(shop(), remains, milliseconds(0)).current, 4u) << "of several the newest";
}

TEST(Rebuilt, AnInstanceWhoseAddressNobodyKnowsOrTooManyAreNotServing) {
  auto remains = nothing();
  remains.running = {found("shop-v3-7", "not a port"), found("shop-v3-8", "2002"), found("shop-v3-9", "2003")};
  remains.releases = {3};
  const auto state = rebuilt(shop(1), remains, milliseconds(0));
  EXPECT_EQ(state.instances[0].phase, InstancePhase::draining);
  EXPECT_EQ(state.instances[1].phase, InstancePhase::ready);
  EXPECT_EQ(state.instances[2].phase, InstancePhase::draining);
}

TEST(Rebuilt, NoApplicationIsBelievedAnAddressThatFleetWouldNotGive) {
  auto remains = nothing();
  remains.releases = {3};
  auto one = found("shop-v3-9", "");
  one.env["FLEET_SOCKET_PATH"] = one.socket;
  remains.running = {one};
  EXPECT_EQ(rebuilt(shop(1), remains, milliseconds(0)).instances[0].socket, one.socket);
  for (const auto* other : {"/etc/passwd", "", "/run/http/other/v1-1"}) {
    remains.running[0].env["FLEET_SOCKET_PATH"] = other;
    const auto state = rebuilt(shop(1), remains, milliseconds(0));
    EXPECT_EQ(state.instances[0].socket, "") << other;
    EXPECT_EQ(state.instances[0].phase, InstancePhase::draining);
  }
  for (const auto* port : {"22", "1999", "3000", "0", "65536", "-1"}) {
    remains.running = {found("shop-v3-9", port)};
    EXPECT_EQ(rebuilt(shop(1), remains, milliseconds(0)).instances[0].port, 0) << port;
  }
}

using RebuildFiles = TempDir;

TEST_F(RebuildFiles, TheCurrentReleaseIsNotedAndReadBack) {
  const Paths paths{dir + "/state", dir + "/run", "/usr/bin"};
  ASSERT_TRUE(paths.make() && paths.make_for_app("shop", {}));
  EXPECT_EQ(read_current(paths, "shop"), std::nullopt);
  ASSERT_TRUE(write_current(paths, "shop", {42, "abc"}));
  EXPECT_EQ(read_current(paths, "shop"), (CurrentRelease{42, "abc"}));
  ASSERT_TRUE(write_current(paths, "shop", {43, ""}));
  EXPECT_EQ(read_current(paths, "shop"), (CurrentRelease{43, ""}));
  for (const auto* bad : {"", "42", "x y\n", "42\n", "42 abc"}) {
    write("state/releases/shop/current", bad);
    EXPECT_EQ(read_current(paths, "shop"), std::nullopt) << bad;
  }
  for (const auto* folder : {"3", "12", "x", "0"}) std::filesystem::create_directory(paths.app_releases("shop") + "/" + folder);
  EXPECT_THAT(releases_found(paths, "shop"), ElementsAre(3, 12));
}

}  // namespace
}  // namespace fleet
