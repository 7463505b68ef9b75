// The unit of deploy/systemd, installed as README.md says, under a systemd of its own.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <regex>
#include <sstream>
#include <thread>

#include "expect.hpp"
#include "support/eventually.hpp"

namespace fleet::test {
namespace {

const std::string kSource = FLEET_SOURCE_DIR;

class Systemd : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may boot a systemd of its own";
    std::filesystem::permissions(fleet.root(), std::filesystem::perms(0755));
    const auto log = fleet.root() + "/systemd.log";
    boot.emplace(std::vector<std::string>{kSource + "/tests/e2e/systemd_boot", fleet.root(), program_path(""), kSource}, Environment{},
                 log, log);
    ASSERT_TRUE(eventually(milliseconds(30000), [&] {
      const auto state = ctl({"is-system-running"}).out;
      return state == "running\n" || state == "degraded\n" || !boot->running();
    })) << read_whole(log);
    if (!boot->running()) {
      boot.reset();
      GTEST_SKIP() << "no systemd of its own can be booted here: " << read_whole(log);
    }
  }
  void TearDown() override {
    if (!boot) return;
    boot->signal(SIGTERM);
    EXPECT_EQ(boot->wait(milliseconds(20000)), 0);
  }

  Ran inside(std::vector<std::string> command) const {
    auto pid = read_whole(fleet.root() + "/systemd.pid");
    while (pid.ends_with('\n')) pid.pop_back();
    if (pid.empty()) return {.code = -1, .out = {}, .err = "not booted"};
    std::vector<std::string> all{"/usr/bin/nsenter", "-t", pid, "-m", "-p", "-C", "-u", "-i", "--"};
    all.insert(all.end(), command.begin(), command.end());
    return run(std::move(all));
  }
  Ran ctl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "/usr/bin/systemctl");
    return inside(std::move(arguments));
  }
  Ran shell(const std::string& line) const { return inside({"/bin/sh", "-c", line}); }
  std::string property(const std::string& name) const {
    auto value = ctl({"show", "-P", name, "fleetd"}).out;
    while (value.ends_with('\n')) value.pop_back();
    return value;
  }
  std::string journal() const { return inside({"/usr/bin/journalctl", "-u", "fleetd", "--no-pager"}).out; }

  // README.md's commands behind "scripts/build", with the programs that are tested.
  std::string installation() const {
    std::istringstream lines(read_whole(kSource + "/README.md"));
    std::string commands;
    for (std::string line; std::getline(lines, line);) {
      const std::string sudo = "       sudo ";
      if (!line.starts_with(sudo)) continue;
      line = std::regex_replace(line.substr(sudo.size()), std::regex("&& sudo "), "&& ");
      commands += std::regex_replace(line, std::regex("build/release/bin/"), program_path("")) + "\n";
      if (line.find("daemon-reload") != std::string::npos) break;
    }
    return commands;
  }
  void install() {
    const auto commands = installation();
    ASSERT_NE(commands.find("daemon-reload"), std::string::npos) << commands;
    ASSERT_TRUE(ended(inside({"/bin/bash", "-ec", "cd " + kSource + "\n" + commands}), 0)) << commands;
    write_whole(fleet.root() + "/fleet.toml",
                "[proxy]\nhttp = [\"127.0.0.1:" + std::to_string(port) +
                    "\"]\n[app.shop]\nhosts = [\"localhost\"]\ninstances = 2\n"
                    "command = [\"./bin/server\", \"--port\", \"{port}\"]\n[app.shop.health]\npath = \"/health\"\ninterval = \"200ms\"\n");
    ASSERT_TRUE(ended(inside({"/bin/cp", fleet.root() + "/fleet.toml", "/etc/fleet/fleet.toml"}), 0));
    ASSERT_TRUE(ended(ctl({"enable", "--now", "fleetd"}), 0)) << journal();
  }
  void deploy(const std::string& version) {
    ASSERT_TRUE(ended(inside({"fleetctl", "deploy", fleet.pack({version})}), 0)) << journal();
    EXPECT_EQ(version_at(peer), version);
  }
  // systemd has put another in the place of fleetd, which has ended on its own.
  void comes_back(const std::string& former) {
    EXPECT_TRUE(eventually(milliseconds(20000), [&] {
      const auto now = property("MainPID");
      return now != "0" && now != former && property("ActiveState") == "active" && property("StatusText") == "serving";
    })) << journal();
  }

  Fleet fleet;  // its folder alone
  const std::uint16_t port = free_port();
  const Peer peer = [this] {
    Peer at;
    at.port = port;
    at.server_name = "localhost";
    return at;
  }();
  std::optional<Program> boot;
};

TEST_F(Systemd, KeepsFleetdRunningAndNothingThatHappensToItCostsARequest) {
  install();
  EXPECT_EQ(property("StatusText"), "serving");
  deploy("v1");

  std::atomic<bool> enough = false;
  unsigned answered = 0;
  std::string lost;
  std::jthread client([&] {
    while (!enough) {
      const auto version = version_at(peer);
      if (version == "v1" || version == "v2") ++answered;
      else lost += version + "\n";
    }
  });
  const auto kill_main = [&](const std::string& also) {
    const auto former = property("MainPID");
    EXPECT_TRUE(ended(shell(also + "kill -9 " + former), 0));
    comes_back(former);
  };
  kill_main("");
  auto former = property("MainPID");
  EXPECT_TRUE(ended(ctl({"restart", "fleetd"}), 0));
  comes_back(former);
  EXPECT_TRUE(ended(ctl({"reload", "fleetd"}), 0));
  deploy("v2");

  EXPECT_TRUE(ended(inside({"fleetctl", "upgrade"}), 0));
  comes_back("");
  EXPECT_EQ(property("NRestarts"), "0") << "another has taken over, which to systemd is no end";
  kill_main("");

  former = property("MainPID");
  EXPECT_TRUE(ended(ctl({"stop", "fleetd"}), 0));
  EXPECT_EQ(version_at(peer), "v2");
  EXPECT_TRUE(ended(ctl({"start", "fleetd"}), 0));
  comes_back(former);

  // One that hangs.
  EXPECT_TRUE(ended(shell("mkdir -p /run/systemd/system/fleetd.service.d; "
                          "printf '[Service]\\nWatchdogSec=2s\\n' > /run/systemd/system/fleetd.service.d/soon.conf; systemctl daemon-reload"), 0));
  EXPECT_TRUE(ended(ctl({"restart", "fleetd"}), 0));
  former = property("MainPID");
  EXPECT_TRUE(ended(shell("kill -STOP " + former), 0));
  comes_back(former);
  EXPECT_NE(journal().find("Watchdog timeout"), std::string::npos) << journal();

  enough = true;
  client.join();
  EXPECT_EQ(lost, "");
  EXPECT_GT(answered, 100u);

  // What was on its way to workers that are gone, nobody can give back; who comes then, finds others.
  kill_main("pkill -9 -x fleet-proxy; ");
  EXPECT_EQ(version_at(peer), "v2");
  EXPECT_NE(property("NFileDescriptorStore"), "0");

  const auto doctor = inside({"fleetctl", "doctor"});
  EXPECT_NE(doctor.out.find("fleetd.service is as it should be"), std::string::npos) << doctor.out << doctor.err;
  EXPECT_TRUE(ended(inside({"fleetctl", "shutdown", "--apps"}), 0));
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return property("ActiveState") == "inactive"; })) << property("ActiveState");
  EXPECT_NE(shell("pgrep -l fleet").code, 0) << shell("pgrep -l fleet").out;
}

}  // namespace
}  // namespace fleet::test
