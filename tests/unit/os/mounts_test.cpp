#include "os/mounts.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/atomic_file.hpp"
#include "os/process.hpp"
#include "temp_dir.hpp"

namespace fleet::os {
namespace {

std::string own_mounts() { return read_file("/proc/self/mountinfo", 1u << 20).value_or(""); }

// Programs with a view of the file system of their own; what they do goes by a script's exit code.
struct Mounting : TempDir {
  Mounting() : before(own_mounts()) {
    for (const auto* name : {"/own", "/own/tmp", "/own/var-tmp", "/data"}) ::mkdir((dir + name).c_str(), 0777);
    what.cwd = "/";
  }
  ~Mounting() override { EXPECT_EQ(own_mounts(), before) << "mounts have got out"; }
  void SetUp() override {
    if (const auto can = can_have_mounts(); !can) GTEST_SKIP() << can.error().text;
  }
  int run(const std::string& script) {
    what.argv = {"/bin/sh", "-c", script};
    auto process = spawn(what);
    EXPECT_TRUE(process) << process.error().text;
    if (!process) return -1;
    pollfd waiting{process->pidfd.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 10000), 1);
    const auto status = reap(process->pidfd);
    return status && *status ? (*status)->code : -1;
  }
  Spawn what;
  std::string before;
};

TEST_F(Mounting, APrivateTmpIsNobodyElses) {
  what.confined.private_tmp = dir + "/own";
  EXPECT_EQ(run("echo mine > /tmp/x && echo mine > /var/tmp/y && test ! -e " + dir), 0);
  EXPECT_EQ(read_file(dir + "/own/tmp/x", 64).value_or(""), "mine\n");
  EXPECT_EQ(read_file(dir + "/own/var-tmp/y", 64).value_or(""), "mine\n");
  EXPECT_EQ(run("test -e /tmp/x"), 0) << "the same for whoever is started with it next";
}

TEST_F(Mounting, ReadOnlyFilesAreSoButForWhatIsNamed) {
  what.confined.read_only = true;
  what.confined.writable = {dir + "/data"};
  EXPECT_EQ(run("touch " + dir + "/data/x"), 0);
  EXPECT_NE(run("touch " + dir + "/own/x 2>&-"), 0);
  EXPECT_NE(run("touch /tmp/fleet-not-here 2>&-"), 0);
  EXPECT_NE(run("touch /usr/fleet-not-here 2>&-"), 0);
  EXPECT_EQ(run("echo gone > /dev/null && touch /dev/shm/fleet-mounts-test && rm /dev/shm/fleet-mounts-test"), 0);
  EXPECT_EQ(run("echo 0 > /proc/self/oom_score_adj"), 0);
  EXPECT_EQ(::access((dir + "/own").c_str(), W_OK), 0) << "to others they are as before";
}

TEST_F(Mounting, APrivateTmpIsWritableInReadOnlyFiles) {
  what.confined.read_only = true;
  what.confined.private_tmp = dir + "/own";
  EXPECT_EQ(run("touch /tmp/x /var/tmp/y && ! touch /usr/fleet-not-here 2>&-"), 0);
}

TEST_F(Mounting, WhoHasAUserOfItsOwnHasMountsToo) {
  ::chmod(dir.c_str(), 0711);
  ::chmod((dir + "/own/tmp").c_str(), 01777);
  what.confined.private_tmp = dir + "/own";
  what.confined.as = Identity{.uid = 65534, .gid = 65534, .groups = {}};
  what.confined.no_new_privileges = true;
  EXPECT_EQ(run("test \"$(id -u)\" = 65534 && touch /tmp/x"), 0);
}

TEST_F(Mounting, WhatCannotBeMountedIsRefusedByItsKey) {
  what.confined.private_tmp = dir + "/none";
  what.argv = {"/bin/true"};
  const auto process = spawn(what);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().text, "cannot start /bin/true: private_tmp: cannot make mounts of its own: no such file or directory");
}

}  // namespace
}  // namespace fleet::os
