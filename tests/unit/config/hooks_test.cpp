#include <gmock/gmock.h>

#include "read.hpp"

namespace fleet::config::test {
namespace {

using testing::ElementsAre;

const std::string kApp = "[app.shop]\ncommand = [\"x\"]\n[app.shop.hooks]\n";

TEST(HookKeys, SayWhatIsRunAndForHowLong) {
  const auto config =
      parse(kApp +
                "pre_start = [\"bin/migrate\", \"{release_dir}\"]\npre_start_timeout = \"10m\"\n"
                "pre_switch = [\"bin/smoke\", \"{port}\"]\npost_switch = [\"a\"]\npre_stop = [\"b\", \"{instance}\"]\n"
                "on_failure = [\"/usr/bin/page\", \"{release}\"]\n",
            "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text;
  const auto& hooks = config->apps.front().hooks;
  EXPECT_THAT(hooks.of(Hook::pre_start).command, ElementsAre("bin/migrate", "{release_dir}"));
  EXPECT_EQ(hooks.of(Hook::pre_start).timeout, std::chrono::minutes(10));
  EXPECT_THAT(hooks.of(Hook::pre_switch).command, ElementsAre("bin/smoke", "{port}"));
  EXPECT_EQ(hooks.of(Hook::pre_switch).timeout, std::chrono::minutes(5));
  EXPECT_THAT(hooks.of(Hook::post_switch).command, ElementsAre("a"));
  EXPECT_THAT(hooks.of(Hook::pre_stop).command, ElementsAre("b", "{instance}"));
  EXPECT_THAT(hooks.of(Hook::on_failure).command, ElementsAre("/usr/bin/page", "{release}"));
}

TEST(HookKeys, HaveNoAddressWhereThereIsNoInstance) {
  const std::string rest = "(known: {data_dir} {release} {release_dir}; write {{ for a brace)";
  EXPECT_THAT(problems(kApp + "pre_start = [\"x\", \"{port}\"]"),
              ElementsAre("fleet.toml:4:19: app \"shop\": hooks.pre_start: unknown placeholder {port} " + rest));
  EXPECT_THAT(problems(kApp + "on_failure = [\"{instance}\"]"),
              ElementsAre("fleet.toml:4:15: app \"shop\": hooks.on_failure: unknown placeholder {instance} " + rest));
  EXPECT_THAT(problems(kApp + "pre_stop = [\"\"]"),
              ElementsAre("fleet.toml:4:13: app \"shop\": hooks.pre_stop: the program's name is empty"));
  EXPECT_THAT(problems(kApp + "pre_start = []").size(), 1u);
}

}  // namespace
}  // namespace fleet::config::test
