// Applications with a view of the file system of their own.
#include <unistd.h>

#include <filesystem>

#include "expect.hpp"
#include "os/mounts.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

// As root in the instance's mounts; whether the shell agrees.
bool is_so(pid_t pid, const std::string& test) {
  return run({"/usr/bin/nsenter", "--target=" + std::to_string(pid), "--mount", "/bin/sh", "-c", "(" + test + ") 2>&-"})
             .code == 0;
}
// The same as `nobody`.
bool can(pid_t pid, const std::string& deed) {
  return is_so(pid, "exec setpriv --reuid=65534 --regid=65534 --clear-groups /bin/sh -c '" + deed + "'");
}

// An app that is `nobody` and keeps its ledger in its own folder; not below /tmp, which would not be there for it.
class OwnMounts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give others mounts";
    if (const auto possible = os::can_have_mounts(); !possible) GTEST_SKIP() << possible.error().text;
  }
  void start(const std::string& key) {
    DemoApp app;
    app.lines = {"user = \"nobody\"", key};
    app.ledgers = "{data_dir}";
    FleetSetup setup;
    setup.demo_apps = {app};
    setup.place = "/run";
    fleet = std::make_unique<Fleet>(setup);
    fs::permissions(fleet->root(), fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    fleet->start();
    ASSERT_TRUE(ended(fleet->deploy({"v1"}), kDone));
    pids = fleet->instance_pids();
    ASSERT_EQ(pids.size(), 2u);
  }
  std::unique_ptr<Fleet> fleet;
  std::vector<pid_t> pids;
};

TEST_F(OwnMounts, PrivateTmpIsOneInstancesOwnAndGoneWithIt) {
  start("private_tmp = true");
  const auto outside = "/tmp/fleet-outside-" + std::to_string(::getpid());
  write_whole(outside, "seen by all");
  for (const auto pid : pids) {
    EXPECT_TRUE(can(pid, "touch /tmp/mine /var/tmp/mine && rm /var/tmp/mine"));
    EXPECT_TRUE(is_so(pid, "test ! -e " + outside));
    EXPECT_TRUE(can(pid, "test -r /etc/passwd")) << "nothing else is hidden";
  }
  fs::remove(outside);
  EXPECT_FALSE(fs::exists("/tmp/mine"));
  EXPECT_TRUE(can(pids[0], "rm /tmp/mine"));
  EXPECT_TRUE(is_so(pids[1], "test -e /tmp/mine")) << "one's is not the other's";
  ASSERT_TRUE(ended(fleet->deploy({"v2"}), kDone));
  for (const auto pid : fleet->instance_pids()) EXPECT_TRUE(is_so(pid, "test ! -e /tmp/mine")) << "nor its successor's";
  EXPECT_TRUE(serves(*fleet, "v2"));
  EXPECT_EQ(std::distance(fs::directory_iterator(fleet->root() + "/state/tmp"), {}), 2) << "those of the former are gone";
  EXPECT_EQ(fleet->shutdown(), "");
  EXPECT_TRUE(fs::is_empty(fleet->root() + "/state/tmp"));
}

TEST_F(OwnMounts, ReadOnlyLeavesAnAppItsFolderToWriteToAndNothingElse) {
  start("read_only = true");
  for (const auto pid : pids) {
    for (const auto* path : {"/etc", "/tmp", "/var/tmp", "/usr/bin"}) {
      EXPECT_TRUE(is_so(pid, "! touch " + std::string(path) + "/fleet-mine")) << path << ", though as root";
    }
    EXPECT_TRUE(is_so(pid, "! touch " + fleet->root() + "/state/releases/shop/1/mine"));
    EXPECT_TRUE(is_so(pid, "! touch " + fleet->root() + "/mine"));
    EXPECT_TRUE(can(pid, "echo > /dev/null")) << "devices are no files to write to";
    EXPECT_TRUE(can(pid, "touch " + fleet->root() + "/state/data/shop/mine"));
  }
  const auto answer = fetch(fleet->http(), "POST", "/tx", {"X-Transaction-Id: of-this-test"}, "of-this-test");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200) << answer->body << ": the ledger is in its folder";
  EXPECT_TRUE(serves(*fleet, "v1"));
  const auto here = fleet->root() + "/mine";
  write_whole(here, "");
  EXPECT_TRUE(fs::exists(here)) << "for others nothing has changed";
}

}  // namespace
}  // namespace fleet::test
