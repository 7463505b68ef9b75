#include "hooks.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace fleet {
namespace {

struct HookInputs : ::testing::Test {
  HookInputs() {
    state.name = "shop";
    auto& rollout = state.rollout.emplace();
    rollout.deployment = 7;
    rollout.kind = plan::RolloutKind::deploy;
    rollout.url = "https://ann:secret@builds/shop.tar.gz?token=secret";
    rollout.sha256 = "ab";
    rollout.requested_by = "uid 0";
    rollout.release = 4;
    rollout.previous = 3;
    plan::Instance instance;
    instance.id = "shop-v4-9";
    instance.release = 4;
    instance.port = 20123;
    instance.pid = 99;
    state.instances.push_back(instance);
  }
  plan::AppState state;
};

TEST_F(HookInputs, SayWhatIsDeployedAndWhatItIsAboutWithoutSecrets) {
  const auto setting = hook_setting(state, {"shop-v4-10-pre_switch", Hook::pre_switch, 4, {"shop-v4-9"}}, "1.2.3");
  EXPECT_EQ(setting.setting.port, 20123);
  EXPECT_EQ(setting.setting.id, "shop-v4-9");
  EXPECT_EQ(setting.setting.sha256, "ab");
  EXPECT_EQ(setting.input.find("secret"), std::string::npos);
  EXPECT_EQ(setting.input.back(), '\n');
  EXPECT_EQ(nlohmann::json::parse(setting.input), nlohmann::json::parse(R"({
    "hook": "pre_switch", "app": "shop", "deployment": 7, "kind": "deploy", "requested_by": "uid 0", "release": 4,
    "previous_release": 3, "url": "https://builds/shop.tar.gz", "sha256": "ab", "version": "1.2.3",
    "instances": [{"id": "shop-v4-9", "pid": 99, "port": 20123, "socket": ""}], "error": null})"));
}

TEST_F(HookInputs, SayWhyADeployHasFailed) {
  state.rollout->error = "no such build";
  state.rollout->error_kind = ErrorKind::fetch;
  state.rollout->release = 0;
  state.rollout->previous = 0;
  const auto setting = hook_setting(state, {"shop-v0-1-on_failure", Hook::on_failure, 0, {}}, "");
  const auto json = nlohmann::json::parse(setting.input);
  EXPECT_EQ(json.at("error").at("kind"), "fetch");
  EXPECT_EQ(json.at("error").at("text"), "no such build");
  EXPECT_TRUE(json.at("release").is_null());
  EXPECT_TRUE(json.at("previous_release").is_null());
  EXPECT_EQ(setting.setting.id, "");
}

}  // namespace
}  // namespace fleet
