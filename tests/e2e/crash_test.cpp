// Deploys that crash after the switch, and workers that crash with what is new: FAULTS A7, A9.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

FleetSetup one_instance(std::vector<std::string> deploy_keys) {
  FleetSetup setup;
  DemoApp app;
  app.instances = 1;
  app.drain = {"timeout = \"1s\"", "stop_timeout = \"5s\"", "[app.shop.deploy]"};
  app.drain.insert(app.drain.end(), deploy_keys.begin(), deploy_keys.end());
  setup.demo_apps = {app};
  return setup;
}

const Build kCrashes{"v2", {"exit-after = 700"}};

TEST(CrashesAfterADeploy, A9_MakeItUnstableAndTheRecordStatusAndAnEventSaySo) {
  Fleet fleet(one_instance({"crashes = 2"}));
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto id = fleet.begin_deploy(fleet.pack(kCrashes));
  ASSERT_TRUE(eventually(milliseconds(30000), [&] { return fleet.app().at("unstable") != ""; }));
  EXPECT_NE(fleet.app().at("unstable").get<std::string>().find("v2 crashed 2 times within "), std::string::npos);
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  const auto view = fleet.deployment(id);
  EXPECT_GE(view.at("crashes"), 2);
  EXPECT_EQ(view.at("unstable"), fleet.app().at("unstable"));
  EXPECT_NE(fleet.ctl({"status"}).out.find("shop: unstable: v2 crashed"), std::string::npos);
  EXPECT_NE(fleet.ctl({"events"}).out.find("deploy 2 of shop is unstable"), std::string::npos);
  EXPECT_EQ(fleet.app().at("release"), 2) << "nobody asked for a rollback";
  ASSERT_TRUE(eventually(milliseconds(30000), [&] { return fleet.app().at("instances").at(0).at("crash_loop") == true; }));
  EXPECT_NE(fleet.ctl({"events"}).out.find("crashes again and again, 3 times in a row: exited with code 1"), std::string::npos);
}

TEST(CrashesAfterADeploy, A9_RollItBackOnceWhereThatIsWanted) {
  Fleet fleet(one_instance({"crashes = 2", "rollback_on_crash = true"}));
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto id = fleet.begin_deploy(fleet.pack(kCrashes));
  ASSERT_TRUE(eventually(milliseconds(30000), [&] { return fleet.deployment(id).at("unstable") != ""; }));
  ASSERT_TRUE(eventually(milliseconds(30000), [&] { return fleet.app().at("release") == 1 && settled(fleet, 1); }));
  EXPECT_TRUE(serves(fleet, "v1"));
  const auto back = fleet.wait_end(id + 1);
  EXPECT_EQ(back.at("kind"), "rollback");
  EXPECT_EQ(back.at("requested_by"), "fleetd");
  EXPECT_EQ(back.at("outcome"), "changed");
  EXPECT_EQ(fleet.app().at("unstable"), "");
}

TEST(IfChanged, SkipsASourceThatIsAsItWasWhenItWasDeployed) {
  Fleet fleet;
  fleet.start();
  const auto source = fleet.root() + "/latest.tar.gz";
  const auto publish = [&](const char* version) { fs::rename(fleet.pack({version}), source); };
  const auto turn = [&] { return fleet.ctl({"deploy", source, "--if-changed"}); };
  publish("v1");
  ASSERT_TRUE(ended(turn(), kDone));
  const auto again = turn();
  ASSERT_TRUE(ended(again, kDone));
  EXPECT_NE(again.out.find("nothing to do: the source has not changed since v1 was deployed from it"), std::string::npos) << again.out;
  EXPECT_EQ(fleet.deployment(2).at("outcome"), "unchanged");
  publish("v2");
  ASSERT_TRUE(ended(turn(), kDone));
  EXPECT_TRUE(serves(fleet, "v2"));
  ASSERT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  ASSERT_TRUE(ended(turn(), kDone));
  EXPECT_TRUE(serves(fleet, "v1")) << "what was rolled back does not come again by itself";
  ASSERT_TRUE(ended(fleet.ctl({"deploy", source}), kDone));
  EXPECT_TRUE(serves(fleet, "v2")) << "but for when somebody asks for it";
}

TEST(BusyApp, NamesWhatIsInTheWay) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto slow = fleet.begin_deploy(fleet.pack({"v2", {"start-delay = 1500"}}));
  fleet.wait_phase(slow, "warm");
  const auto ran = fleet.deploy({"v3"});
  EXPECT_TRUE(ended(ran, kBusy));
  const auto since = fleet.deployment(slow).at("started_at").get<std::string>().substr(0, 17);
  EXPECT_NE(ran.err.find("deploy 2 of \"shop\" is under way (warm, by uid "), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("), since " + since), std::string::npos) << ran.err;
  const auto answer = fleet.call("POST", "/v1/apps/shop/restart");
  EXPECT_EQ(answer.status, 409);
  const auto busy = Json::parse(answer.body).at("busy");
  EXPECT_EQ(busy.at("deployment"), slow);
  EXPECT_EQ(busy.at("kind"), "deploy");
  EXPECT_EQ(busy.at("requested_by"), fleet.deployment(slow).at("requested_by"));
  EXPECT_EQ(fleet.wait_end(slow).at("state"), "succeeded");
}

// A fleet whose programs are copies, so that a test may change them.
class WorkersThatCrash : public ::testing::Test {
 protected:
  WorkersThatCrash() : programs_(fleet.root() + "/programs") {
    fs::create_directory(programs_);
    for (const auto* name : {"fleetd", "fleet-proxy", "fleet-shim", "fleet-fetch", "fleetctl"}) {
      fs::copy_file(program_path(name), programs_ + "/" + name);
    }
    fleet.launch({}, programs_ + "/fleetd");
    fleet.wait_ready();
  }
  void install_proxy(const std::string& script) const {
    write_whole(programs_ + "/new", "#!/bin/sh\n" + script + "\nexec " + program_path("fleet-proxy") + " \"$@\"\n");
    ::chmod((programs_ + "/new").c_str(), 0755);
    fs::rename(programs_ + "/new", programs_ + "/fleet-proxy");
  }
  bool program_is_kept() const {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(fleet.root() + "/state/proxy", none)) {
      if (entry.path().filename() != "unfinished") return true;
    }
    return false;
  }
  Json fallback() const { return fleet.status().at("fallback"); }

  Fleet fleet;
  const std::string programs_;
};

TEST_F(WorkersThatCrash, A7_WithANewProgramAreStartedWithTheLastOneThatServed) {
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  ASSERT_TRUE(eventually(milliseconds(30000), [&] { return program_is_kept(); }));
  EXPECT_TRUE(fallback().is_null());
  install_proxy("(sleep 1; kill -ALRM $$) &");  // its self-test passes, and it accepts
  ASSERT_TRUE(ended(fleet.ctl({"proxy", "upgrade"}), kDone));
  ASSERT_TRUE(eventually(milliseconds(30000), [&] { return !fallback().is_null() && fleet.worker_pids().size() == 2; }))
      << fleet.daemon_log();
  EXPECT_NE(fallback().at("program"), "");
  EXPECT_NE(fallback().at("why").get<std::string>().find("was killed by SIGALRM"), std::string::npos);
  EXPECT_NE(fleet.ctl({"events"}).out.find("workers are started with the program that served before"), std::string::npos);
  EXPECT_NE(fleet.ctl({"status"}).out.find("proxy: fallen back to "), std::string::npos);
  ASSERT_TRUE(eventually(milliseconds(10000), [&] { return version_at(fleet.http()) == "v1"; }));
  pause_for(milliseconds(1000));  // the last of those that crash is replaced
  const auto workers = fleet.worker_pids();
  EXPECT_EQ(workers.size(), 2u);
  pause_for(milliseconds(2500));
  EXPECT_EQ(fleet.worker_pids(), workers) << "they serve on";
  install_proxy("");
  ASSERT_TRUE(ended(fleet.ctl({"proxy", "upgrade"}), kDone));
  EXPECT_TRUE(fallback().is_null());
  EXPECT_TRUE(serves(fleet, "v1"));
}

TEST_F(WorkersThatCrash, A7_WithNewRoutesAreGivenTheLastOnesThatServed) {
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  pause_for(milliseconds(5000));  // these routes have served for a while
  const auto crash_all = [&] {
    for (const auto pid : fleet.worker_pids()) ::kill(pid, SIGALRM);
  };
  for (int turn = 0; turn < 5 && fallback().is_null(); ++turn) {  // on a slow machine new routes may serve long enough
    ASSERT_TRUE(ended(fleet.ctl({"hold", "--max", "1h"}), kDone));
    ASSERT_TRUE(ended(fleet.ctl({"unhold"}), kDone));
    const auto former = fleet.worker_pids();
    crash_all();
    (void)eventually(milliseconds(2000), [&] {
      const auto now = fleet.worker_pids();
      return !now.empty() && std::ranges::none_of(now, [&](pid_t pid) { return std::ranges::count(former, pid) != 0; });
    });
    crash_all();
    (void)eventually(milliseconds(3000), [&] { return !fallback().is_null(); });
  }
  ASSERT_FALSE(fallback().is_null()) << fleet.daemon_log();
  EXPECT_LT(fallback().at("generation"), fleet.status().at("generation"));
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return version_at(fleet.http()) == "v1"; }));
  ASSERT_TRUE(ended(fleet.deploy({"v2"}), kDone));
  EXPECT_TRUE(fallback().is_null()) << "other routes are tried again";
  EXPECT_TRUE(serves(fleet, "v2"));
}

// The routes that served are known to the fleetd that comes back, before it has seen any serve.
TEST_F(WorkersThatCrash, A7_JustAfterFleetdCameBackAreGivenTheRoutesThatServedBeforeToo) {
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  ASSERT_TRUE(eventually(milliseconds(20000), [&] { return fs::exists(fleet.root() + "/state/fallback"); }));
  fleet.kill();
  fleet.launch({}, programs_ + "/fleetd");
  fleet.wait_ready();
  for (int turn = 0; turn < 8 && fallback().is_null(); ++turn) {  // on a slow machine new routes may serve long enough
    ASSERT_TRUE(ended(fleet.ctl({"hold", "--max", "1h"}), kDone));
    ASSERT_TRUE(ended(fleet.ctl({"unhold"}), kDone));
    for (int i = 0; i < 4 && fallback().is_null(); ++i) {
      const auto former = fleet.worker_pids();
      for (const auto pid : former) ::kill(pid, SIGALRM);
      (void)eventually(milliseconds(2000), [&] {
        const auto now = fleet.worker_pids();
        return now.size() == 2 && std::ranges::none_of(now, [&](pid_t pid) { return std::ranges::count(former, pid) != 0; });
      });
    }
  }
  ASSERT_FALSE(fallback().is_null()) << fleet.daemon_log();
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return version_at(fleet.http()) == "v1"; }));
}

TEST_F(WorkersThatCrash, A7_ThoseThatOthersKillAreNotTakenForFaultyOnes) {
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  pause_for(milliseconds(4000));
  ASSERT_TRUE(ended(fleet.ctl({"hold", "--max", "1h"}), kDone));
  ASSERT_TRUE(ended(fleet.ctl({"unhold"}), kDone));
  for (int i = 0; i < 4; ++i) {
    for (const auto pid : fleet.worker_pids()) ::kill(pid, SIGKILL);
    ASSERT_TRUE(eventually(milliseconds(10000), [&] { return fleet.worker_pids().size() == 2; }));
  }
  EXPECT_TRUE(fallback().is_null());
  EXPECT_TRUE(serves(fleet, "v1"));
}

}  // namespace
}  // namespace fleet::test
