#include "plan_text.hpp"

#include <gtest/gtest.h>

namespace fleet::ctl {
namespace {

api::PlanView view() {
  api::PlanView plan;
  plan.app = "shop";
  plan.release = 42;
  plan.url = "https://ci/shop.zip";
  plan.sha256 = "ab12";
  plan.format = "zip";
  plan.bytes = 2u << 20;
  plan.route = "shop.example.com /";
  plan.instances = 2;
  return plan;
}

TEST(PlanText, TellsEachChangeWithWhatWasAndWhatWillBe) {
  auto plan = view();
  plan.changes = {{"build", "00ff", "ab12"}, {"hook pre_start", "", "[\"bin/\x1bmigrate\"] within 5m"}};
  const auto text = plan_text(plan, {});
  EXPECT_NE(text.find("a deploy would change:\n  build\n    - 00ff\n    + ab12\n  hook pre_start\n    + [\"bin/"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "a raw escape of the build's";
  EXPECT_NE(text.find("app         shop, on v42\n"), std::string::npos) << text;
}

TEST(PlanText, SaysThatARestartTakesUpWhatIsNotTheBuilds) {
  auto plan = view();
  plan.changes = {{"environment", "0011", "2233"}};
  EXPECT_NE(plan_text(plan, {}).find("fleetctl restart would change:\n  environment\n    - 0011\n    + 2233\n"),
            std::string::npos);
}

TEST(PlanText, SaysThatADeployMakesFilesAnewThatAreGone) {
  auto plan = view();
  plan.changes = {{"files", "gone", "made anew"}};
  EXPECT_NE(plan_text(plan, {}).find("a deploy would change:\n  files\n    - gone\n    + made anew\n"), std::string::npos);
}

TEST(PlanText, SaysThatNothingWouldChange) {
  EXPECT_TRUE(plan_text(view(), {}).ends_with("a deploy would change nothing\n"));
}

}  // namespace
}  // namespace fleet::ctl
