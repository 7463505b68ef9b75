// Programs of fleet's own that are replaced while they work.
#include <sys/stat.h>

#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

// A fleet whose programs are copies, so that a test may change them.
class Upgrade : public ::testing::Test {
 protected:
  Upgrade() : programs_(fleet.root() + "/programs") {
    fs::create_directory(programs_);
    for (const auto* name : {"fleetd", "fleet-proxy", "fleet-shim", "fleet-fetch", "fleetctl"}) install(name);
  }
  // As a package does it: a new file in the place of the old one.
  void install(const std::string& name) const {
    fs::copy_file(program_path(name), programs_ + "/new", fs::copy_options::overwrite_existing);
    fs::rename(programs_ + "/new", programs_ + "/" + name);
  }
  void install_script(const std::string& name, const std::string& script) const {
    write_whole(programs_ + "/new", "#!/bin/sh\n" + script + "\n");
    ::chmod((programs_ + "/new").c_str(), 0755);
    fs::rename(programs_ + "/new", programs_ + "/" + name);
  }
  void begin() {
    fleet.launch({}, programs_ + "/fleetd");
    fleet.wait_ready();
    ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  }

  Fleet fleet;
  const std::string programs_;
};

TEST_F(Upgrade, OfTheWorkersUnderLoadLosesNothing) {
  begin();
  Traffic traffic(fleet);
  traffic.flow();
  auto former = fleet.worker_pids();
  for (int round = 0; round < 3; ++round) {
    install("fleet-proxy");
    const auto ran = fleet.ctl({"proxy", "upgrade"});
    ASSERT_TRUE(ended(ran, kDone));
    EXPECT_EQ(ran.out, "2 new proxy workers accept\n");
    const auto now = fleet.worker_pids();
    for (const auto pid : now) EXPECT_EQ(std::ranges::count(former, pid), 0) << "a former worker still accepts";
    former = now;
    traffic.flow();
  }
  EXPECT_TRUE(lossless(traffic.stop(800), {"v1"}));
}

TEST_F(Upgrade, ToAWorkerThatDoesNotComeUpChangesNothing) {
  begin();
  Traffic traffic(fleet);
  const auto former = fleet.worker_pids();
  install_script("fleet-proxy", "echo this is no proxy >&2; exit 3");
  const auto ran = fleet.ctl({"proxy", "upgrade"});
  ASSERT_TRUE(ended(ran, kUnhealthy));
  EXPECT_NE(ran.err.find("the new worker of slot 0 does not come up: it exited with code 3"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("the former ones go on"), std::string::npos) << ran.err;
  traffic.flow();
  EXPECT_EQ(fleet.worker_pids(), former);
  install("fleet-proxy");
  EXPECT_TRUE(ended(fleet.ctl({"proxy", "upgrade"}), kDone));
  EXPECT_TRUE(lossless(traffic.stop(200), {"v1"}));
}

}  // namespace
}  // namespace fleet::test
