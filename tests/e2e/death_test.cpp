// fleetd is killed at every transaction of everything that it does, once just before it is on disk and once just after,
// under load; its successor finishes or undoes what was under way (A1).
#include <signal.h>

#include <future>

#include "expect.hpp"

namespace fleet::test {
namespace {

enum class When { before, after };

class DiesAtSave : public ::testing::TestWithParam<When> {
 protected:
  void SetUp() override {
    fleet.start();
    for (const auto* version : {"v1", "v2"}) ASSERT_TRUE(ended(fleet.deploy({version}), kDone));
    traffic.emplace(fleet, TrafficSetup{.keep_alive = 6, .per_request = 2, .rate = 250});
    traffic->flow(100);
  }

  // Does `what` with a fleetd that dies at its first save, its second, and so on, until one outlives it.
  void walk(const std::string& what) {
    unsigned died = 0;
    for (unsigned save = 1;; ++save) {
      SCOPED_TRACE("save " + std::to_string(save));
      fleet.kill();
      fleet.launch({{"FLEETD_DIE_AT_SAVE", std::to_string(save) + (GetParam() == When::after ? "+" : "")}});
      const bool came_up = eventually(milliseconds(15000), [&] { return !fleet.daemon().running() || answers(); });
      ASSERT_TRUE(came_up);
      const auto version = "v" + std::to_string(save + 2);
      auto command = std::async(std::launch::async, [&] {
        return what == "deploy" ? fleet.deploy({version}) : fleet.ctl({what});
      });
      // The command outlives fleetd, and sees the end of what it asked for.
      const auto is_over = [&] { return command.wait_for(milliseconds(0)) == std::future_status::ready; };
      ASSERT_TRUE(eventually(milliseconds(30000), [&] { return !fleet.daemon().running() || is_over(); }));
      const bool outlived = fleet.daemon().running();
      if (!outlived) {
        ++died;
        ASSERT_EQ(fleet.daemon().wait(milliseconds(0)), 128 + SIGKILL) << fleet.daemon_log();
      } else {
        fleet.kill();  // it might yet die at a save that follows the command's end
      }
      fleet.start();
      const auto ran = command.get();
      ASSERT_TRUE(eventually(milliseconds(30000), [&] { return bool(settled(fleet)); })) << settled(fleet).message();
      ASSERT_EQ(servers_running(), 2u);
      const auto release = fleet.app().at("release").get<std::uint64_t>();
      for (const auto& instance : fleet.app().at("instances")) ASSERT_EQ(instance.at("release"), release);
      // What was acknowledged is there, whatever died since.
      if (what == "deploy" && ran.code == kDone) {
        ASSERT_TRUE(serves(fleet, version));
      }
      ASSERT_EQ(traffic->progress().failed, 0u);
      if (outlived) {
        ASSERT_TRUE(ended(ran, kDone));
        break;
      }
    }
    EXPECT_GE(died, 10u);
    std::printf("died at %u saves\n", died);
    fleet.kill();
    fleet.start();
    EXPECT_TRUE(ended(fleet.deploy({"end"}), kDone));
    EXPECT_TRUE(serves(fleet, "end"));
    EXPECT_TRUE(lossless(traffic->stop(500), {"end"}));
    EXPECT_EQ(servers_running(), 2u);
  }

  bool answers() const {
    const auto response = fetch(fleet.api(), "GET", "/healthz");
    return response && response->status == 200;
  }

  Fleet fleet;
  std::optional<Traffic> traffic;
};

TEST_P(DiesAtSave, OfADeploy) { walk("deploy"); }
TEST_P(DiesAtSave, OfARollback) { walk("rollback"); }
TEST_P(DiesAtSave, OfARestart) { walk("restart"); }

INSTANTIATE_TEST_SUITE_P(, DiesAtSave, ::testing::Values(When::before, When::after),
                         [](const auto& the) { return std::string(the.param == When::before ? "Before" : "After"); });

}  // namespace
}  // namespace fleet::test
