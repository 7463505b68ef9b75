// Builds that say how they are run, and plans of what a deploy would change.
#include <sys/stat.h>

#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

class AppFile : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps.clear();
    setup.apps = "[app.shop]\ninstances = 1\nenv = { OWN = \"operator\" }\n[app.shop.secrets]\nTOKEN = \"token\"\n";
    return setup;
  }
  void SetUp() override {
    put_token("first");
    fleet.start();
  }
  void put_token(const std::string& text) const {
    write_whole(fleet.root() + "/token", text);
    ::chmod((fleet.root() + "/token").c_str(), 0600);
  }
  static Build build(const std::string& version, const std::string& mode, const std::string& more = {}) {
    Build build(version);
    build.app_file =
        "command = [\"./bin/server\", \"--port\", \"{port}\", \"--data-dir\", \"{data_dir}\"]\n"
        "env = { MODE = \"" +
        mode + "\", OWN = \"build\" }\n" + more + "[health]\npath = \"/health\"\ninterval = \"200ms\"\nhealthy = 1\n";
    return build;
  }
  std::string variable(const std::string& name) const {
    const auto pids = fleet.instance_pids();
    if (pids.empty()) return "no instance";
    const auto env = std::string(1, '\0') + read_whole("/proc/" + std::to_string(pids[0]) + "/environ");
    const auto at = env.find('\0' + name + "=");
    return at == std::string::npos ? "" : env.c_str() + at + name.size() + 2;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(fleet.root() + "/state")) {
      const auto path = entry.path().string();
      const bool comes_and_goes = path.find("/fleet.db") != std::string::npos || path.find("/log/") != std::string::npos ||
                                  path.find("/data/shop/") != std::string::npos;
      if (!comes_and_goes) all.push_back(path);
    }
    std::ranges::sort(all);
    return all;
  }
  Ran plan(const Build& build, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"plan", fleet.pack(build)});
    return fleet.ctl(more);
  }

  Fleet fleet{setup()};
};

TEST_F(AppFile, SaysHowItsBuildIsRunUnderTheOperatorsSettingsAndARollbackRunsWithItsOwn) {
  ASSERT_TRUE(ended(fleet.deploy(build("v1", "one")), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_EQ(variable("MODE"), "one");
  const auto first = variable("FLEET_SHA256");
  EXPECT_EQ(first.size(), 64u) << first;
  EXPECT_EQ(first, fleet.status().at("/apps/0/sha256"_json_pointer));
  EXPECT_EQ(variable("OWN"), "operator");
  ASSERT_TRUE(ended(fleet.deploy(build("v2", "two")), kDone));
  EXPECT_EQ(variable("MODE"), "two");
  fleet.kill();
  fleet.start();
  EXPECT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_EQ(variable("MODE"), "one");
}

TEST_F(AppFile, ThatSaysWhatItMayNotFailsTheDeployAndLeavesNothing) {
  ASSERT_TRUE(ended(fleet.deploy(build("v1", "one")), kDone));
  const auto before = files();
  const auto failed = fleet.deploy(build("v2", "two", "user = \"root\"\n"));
  EXPECT_TRUE(ended(failed, kFetch));
  EXPECT_NE((failed.out + failed.err).find("fleet-app.toml:3:1: unknown key \"user\""), std::string::npos)
      << failed.err;
  const auto silent = fleet.deploy({"v3"});
  EXPECT_TRUE(ended(silent, kFetch));
  EXPECT_NE((silent.out + silent.err).find("no command: "), std::string::npos) << silent.err;
  EXPECT_EQ(files(), before);
  EXPECT_TRUE(serves(fleet, "v1"));
}

TEST_F(AppFile, ItsHooksRun) {
  const auto failed = fleet.deploy(build("v1", "one", "hooks = { pre_switch = [\"/bin/sh\", \"-c\", \"exit 7\"] }\n"));
  EXPECT_TRUE(ended(failed, kUnhealthy));
  EXPECT_NE((failed.out + failed.err).find("hook pre_switch exited with code 7"), std::string::npos) << failed.err;
}

TEST_F(AppFile, APlanTellsWhatWouldChangeAndLeavesNothing) {
  constexpr int kWouldChange = 10;
  const auto first = build("v1", "one");
  const auto packed = fleet.pack(first);
  EXPECT_TRUE(ended(fleet.ctl({"plan", packed}), kWouldChange));
  ASSERT_TRUE(ended(fleet.ctl({"deploy", packed}), kDone));
  const auto before = files();

  const auto same = fleet.ctl({"plan", packed});
  EXPECT_TRUE(ended(same, kDone));
  EXPECT_NE(same.out.find("would change nothing"), std::string::npos) << same.out;

  const auto other = plan(build("v2", "two", "hooks = { pre_start = [\"bin/migrate\"] }\n"), {"--json"});
  EXPECT_TRUE(ended(other, kWouldChange));
  std::vector<std::string> changed;
  const auto changes = Json::parse(other.out).at("changes");
  for (const auto& change : changes) changed.push_back(change.at("what"));
  EXPECT_EQ(changed, (std::vector<std::string>{"build", "environment", "hook pre_start"}));

  put_token("second");
  const auto secret = fleet.ctl({"plan", packed});
  EXPECT_TRUE(ended(secret, kWouldChange));
  EXPECT_NE(secret.out.find("environment"), std::string::npos) << secret.out;
  EXPECT_EQ(secret.out.find("second"), std::string::npos);
  EXPECT_TRUE(ended(fleet.ctl({"restart"}), kDone));
  EXPECT_EQ(variable("TOKEN"), "second");
  EXPECT_TRUE(ended(fleet.ctl({"plan", packed}), kDone));

  EXPECT_TRUE(ended(plan(build("v2", "two", "user = \"root\"\n")), kFetch));
  EXPECT_TRUE(ended(fleet.ctl({"plan", fleet.root() + "/none.tar"}), kFetch));
  EXPECT_EQ(files(), before);
  EXPECT_TRUE(serves(fleet, "v1"));
}

}  // namespace
}  // namespace fleet::test
