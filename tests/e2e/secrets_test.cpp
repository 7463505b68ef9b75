// What an app alone may know reaches its processes and nothing else.
#include <sys/stat.h>

#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

class Secrets : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps[0].lines = {"env_file = \"shop.env\""};
    setup.apps =
        "[app.shop.secrets]\nTOKEN = \"token\"\n"  // beside fleet.toml
        "[app.shop.hooks]\npre_start = [\"/bin/sh\", \"-c\", \"echo ${{#TOKEN} letters\"]\n";
    return setup;
  }
  void SetUp() override {
    put("token", kFirst);
    put("shop.env", "# more\nPASSPHRASE=\"" + kPhrase + "\"\n");
    fleet.start();
  }
  void put(const std::string& name, const std::string& text) const {
    const auto path = fleet.root() + "/" + name;
    write_whole(path, text);
    ::chmod(path.c_str(), 0600);
  }
  // Of all instances alike.
  std::string variable(const std::string& name) const {
    std::string value;
    for (const auto pid : fleet.instance_pids()) {
      const auto env = std::string(1, '\0') + read_whole("/proc/" + std::to_string(pid) + "/environ");
      const auto at = env.find('\0' + name + "=");
      if (at == std::string::npos) return "";
      value = env.c_str() + at + name.size() + 2;
    }
    return value;
  }
  // Where it is to be found, in files, in arguments, in what the API says.
  std::string leak(const std::string& secret) const {
    for (const auto& folder : {fleet.root() + "/state", fleet.root() + "/run"}) {
      for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file() && read_whole(entry.path()).find(secret) != std::string::npos) return entry.path();
      }
    }
    if (fleet.daemon_log().find(secret) != std::string::npos) return "fleetd's log";
    for (const auto& entry : fs::directory_iterator("/proc")) {
      if (read_whole(entry.path().string() + "/cmdline").find(secret) != std::string::npos) return entry.path();
    }
    for (const auto* target : {"/v1/status", "/v1/events", "/v1/deployments/1", "/v1/apps/shop/releases", "/metrics"}) {
      if (fleet.call("GET", target).body.find(secret) != std::string::npos) return target;
    }
    return "";
  }

  const std::string kFirst = "s3cr3t-of-the-first-day", kSecond = "s3cr3t-of-the-second-day",
                    kPhrase = "open sesame 4711";
  Fleet fleet{setup()};
};

TEST_F(Secrets, ReachTheAppAloneAndARestartTakesUpNewOnes) {
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  EXPECT_EQ(variable("TOKEN"), kFirst);
  EXPECT_EQ(variable("PASSPHRASE"), kPhrase);
  EXPECT_EQ(fleet.get("/v1/deployments/1").at("hooks")[0].at("log_tail")[0],
            std::to_string(kFirst.size()) + " letters");
  EXPECT_EQ(leak(kFirst), "");
  EXPECT_EQ(leak(kPhrase), "");

  put("token", kSecond + "\n");
  EXPECT_TRUE(ended(fleet.ctl({"restart"}), kDone));
  EXPECT_EQ(variable("TOKEN"), kSecond);
  EXPECT_EQ(leak(kSecond), "");
  EXPECT_EQ(leak(kFirst), "");
}

TEST_F(Secrets, ThatOthersCanReadFailTheDeployAndAreNotShown) {
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  ::chmod((fleet.root() + "/token").c_str(), 0644);
  const auto failed = fleet.deploy({"v2"});
  EXPECT_TRUE(ended(failed, kUnhealthy));
  const auto text = failed.out + failed.err;
  EXPECT_NE(text.find("secrets.TOKEN: " + fleet.root() + "/token: is open to everybody"), std::string::npos) << text;
  EXPECT_EQ(text.find(kFirst), std::string::npos);
  EXPECT_TRUE(serves(fleet, "v1"));
  EXPECT_EQ(leak(kFirst), "");
}

}  // namespace
}  // namespace fleet::test
