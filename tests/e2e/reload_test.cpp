// A reload changes what running workers wait for and take on.
#include "expect.hpp"

namespace fleet::test {
namespace {

int status_of(const Fleet& fleet, const std::string& target, const std::string& field = "X-Small: 1") {
  const auto response = fetch(fleet.https(), "GET", target, {field});
  return response ? response->status : 0;
}

TEST(Reload, ChangesLimitsAndTimeoutsOfRunningWorkersUnderLoadAndABadValueChangesNothing) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto workers = fleet.worker_pids();
  const auto usual = read_whole(fleet.config_path());
  const auto large = "X-Large: " + std::string(3000, 'x');
  TrafficSetup setup;
  setup.keep_alive = 6, setup.http2 = 4, setup.slow_percent = 0;
  Traffic traffic(fleet, setup);
  traffic.flow();
  EXPECT_EQ(status_of(fleet, "/", large), 200);

  // The settings go before the apps, whose first line is known.
  const auto app = usual.find("\n[app.");
  const auto with = [&](const std::string& tables) {
    write_whole(fleet.config_path(), usual.substr(0, app) + tables + usual.substr(app));
    return fleet.ctl({"reload"});
  };
  const std::string changed = "\n[proxy.timeouts]\nupstream = \"400ms\"\n[proxy.limits]\nhead = 2048\n";
  ASSERT_TRUE(ended(with(changed), kDone));
  EXPECT_EQ(status_of(fleet, "/", large), 431);
  EXPECT_EQ(status_of(fleet, "/slow?ms=2000"), 504);
  EXPECT_EQ(status_of(fleet, "/"), 200);
  traffic.flow();

  const auto generation = fleet.status().at("generation");
  const auto refused = with("\n[proxy.timeouts]\nupstream = \"60s\"\n[proxy.limits]\nhead = 12\n");
  EXPECT_TRUE(ended(refused, kUsage));
  const auto line = 1 + std::ranges::count(usual.substr(0, app), '\n') + 4;
  EXPECT_NE(refused.err.find("fleet.toml:" + std::to_string(line) + ":8: "), std::string::npos) << refused.err;
  EXPECT_EQ(status_of(fleet, "/", large), 431);
  EXPECT_EQ(status_of(fleet, "/slow?ms=2000"), 504);
  EXPECT_EQ(fleet.status().at("generation"), generation);

  ASSERT_TRUE(ended(with(""), kDone));
  EXPECT_EQ(status_of(fleet, "/", large), 200);
  EXPECT_EQ(status_of(fleet, "/slow?ms=600"), 200);
  traffic.flow();
  EXPECT_EQ(fleet.worker_pids(), workers);
  EXPECT_TRUE(lossless(traffic.stop(600), {"v1"}));
}

}  // namespace
}  // namespace fleet::test
