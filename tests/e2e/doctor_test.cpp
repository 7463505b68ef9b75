// fleetctl doctor on a fleet that is well, and on one that is not.
#include <signal.h>
#include <sys/stat.h>

#include "expect.hpp"

namespace fleet::test {
namespace {

// level + " " + what of each finding of this check, as JSON says it.
std::vector<std::string> findings(const Ran& ran, const std::string& check) {
  std::vector<std::string> all;
  const auto document = Json::parse(ran.out);
  for (const auto& finding : document.at("findings")) {
    if (finding.at("check") != check) continue;
    all.push_back(finding.at("level").get<std::string>() + " " + finding.at("what").get<std::string>());
    EXPECT_EQ(finding.at("mend").get<std::string>().empty(), finding.at("level") == "ok") << finding.dump();
  }
  return all;
}

bool told(const std::vector<std::string>& all, const std::string& level, const std::string& what) {
  return std::ranges::any_of(all, [&](const auto& one) { return one.starts_with(level) && one.find(what) != std::string::npos; });
}

TEST(Doctor, FindsNothingWrongWithAFleetThatServes) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto ran = fleet.ctl({"doctor", "--json"});
  ASSERT_TRUE(ended(ran, kDone)) << ran.out;
  EXPECT_EQ(findings(ran, "processes"), std::vector<std::string>{"ok 4 shims, each known"});
  for (const auto& one : findings(ran, "port")) EXPECT_TRUE(one.ends_with("is fleet's")) << one;
  const auto text = fleet.ctl({"doctor"});
  EXPECT_TRUE(ended(text, kDone));
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos) << "colour where there is no terminal";
}

TEST(Doctor, FindsWhatIsBrokenWhileFleetdRuns) {
  FleetSetup setup;
  setup.workers = 1;
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto run = fleet.root() + "/run", socket = run + "/fleetd.sock";
  ::chmod(socket.c_str(), 0666);
  ::chmod(run.c_str(), 0777);
  // A process of the application's that no shim knows of.
  Program stray({"/bin/sh", "-c", "cd " + fleet.root() + "/state/releases/shop/1 && exec sleep 60"}, {}, {}, {});
  ASSERT_TRUE(eventually(milliseconds(5000), [&] {
    return read_whole("/proc/" + std::to_string(stray.pid()) + "/comm") == "sleep\n";
  }));
  const auto ran = fleet.ctl({"doctor", "--json"});
  ::chmod(socket.c_str(), 0660);
  ::chmod(run.c_str(), 0751);
  EXPECT_TRUE(ended(ran, kUnhealthy)) << ran.out;
  EXPECT_TRUE(told(findings(ran, "socket"), "error", "mode 0666")) << ran.out;
  EXPECT_TRUE(told(findings(ran, "run_dir"), "error", "others can change it")) << ran.out;
  EXPECT_TRUE(told(findings(ran, "processes"), "error", "without a shim: sleep (pid " + std::to_string(stray.pid()))) << ran.out;
  stray.signal(SIGKILL);
  stray.wait(milliseconds(5000));
}

TEST(Doctor, LooksWithoutFleetdToo) {
  Fleet fleet;
  const auto doctor = [&] { return fleet.ctl({"doctor", "--json", "--config", fleet.config_path()}); };
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  fleet.kill();
  const auto ran = doctor();
  EXPECT_TRUE(ended(ran, kUnhealthy));
  EXPECT_TRUE(told(findings(ran, "fleetd"), "error", "cannot connect")) << ran.out;
  EXPECT_TRUE(told(findings(ran, "processes"), "ok", "4 shims")) << ran.out;
  EXPECT_TRUE(told(findings(ran, "port"), "ok", "is fleet's")) << "workers serve on: " << ran.out;
  const auto config = read_whole(fleet.config_path());
  write_whole(fleet.config_path(), "[fleet]\nnonsense = 1\n");
  EXPECT_TRUE(told(findings(doctor(), "config"), "error", "nonsense"));
  write_whole(fleet.config_path(), config);
  fleet.start();
}

}  // namespace
}  // namespace fleet::test
