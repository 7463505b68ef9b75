// Promises 1 to 5 in one long afternoon.
#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

std::size_t entries(const std::string& path) {
  const auto all = std::filesystem::recursive_directory_iterator(path);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::size_t open_files(pid_t pid) {
  const auto all = std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(Promise, ThirtyDeploysARollbackAndAKilledSupervisorLoseNothing) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v0"}), kDone));
  Traffic traffic(fleet, {.keep_alive = 16, .per_request = 8, .rate = 500, .slow_percent = 3});
  const auto sockets = entries(fleet.root() + "/run");
  traffic.flow();
  std::vector<std::string> versions = {"v0"};
  std::size_t files = 0;
  for (int i = 1; i <= 30; ++i) {
    versions.push_back("v" + std::to_string(i));
    ASSERT_TRUE(ended(fleet.deploy({versions.back()}), kDone)) << versions.back();
    traffic.flow(100);
    if (i == 10) {
      ASSERT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
      ASSERT_TRUE(serves(fleet, "v9"));
      traffic.flow(100);
    }
    if (i == 20) {
      fleet.kill();
      traffic.flow(200);
      fleet.start();
    }
    if (i == 22 && settled(fleet)) files = open_files(fleet.pid());
    ASSERT_EQ(traffic.progress().failed, 0u) << "after " << versions.back();
  }
  ASSERT_TRUE(settled(fleet));
  const auto verdict = traffic.stop(3500);
  EXPECT_TRUE(lossless(verdict, versions));
  EXPECT_GT(verdict.load.posts, 900u);
  EXPECT_EQ(servers_running(), 2u);
  EXPECT_EQ(entries(fleet.root() + "/run"), sockets) << "sockets of what is gone";
  EXPECT_LE(open_files(fleet.pid()), files + 2);
  const auto releases = fleet.get("/v1/apps/shop/releases").at("releases");
  const auto kept = std::ranges::count_if(releases, [](const auto& release) { return release.at("retained") == true; });
  EXPECT_LE(kept, 7) << "the current, the one before and five more";
  std::printf("%llu requests, %llu POSTs, %llu failed; p99 %.1f ms, longest gap between answers %.1f ms\n",
              static_cast<unsigned long long>(verdict.load.requests),
              static_cast<unsigned long long>(verdict.load.posts), static_cast<unsigned long long>(verdict.load.failed),
              verdict.load.p99_ms, verdict.load.longest_gap_ms);
}

}  // namespace
}  // namespace fleet::test
