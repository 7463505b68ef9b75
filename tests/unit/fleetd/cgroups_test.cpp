#include "cgroups.hpp"

#include <gtest/gtest.h>

#include "temp_dir.hpp"

namespace fleet {
namespace {

constexpr const char* kState = "/var/lib/fleet";
const os::CgroupControllers kNone{}, kAll{true, true, true};

// Files as the kernel would have them, in a cgroup that is not the top one.
struct Delegated : TempDir {
  Delegated() { cgroup("", "cpu io memory pids\n"); }
  void cgroup(const std::string& name, const std::string& controllers) {
    std::filesystem::create_directories(dir + "/" + name);
    write(name + "/cgroup.events", "populated 0\n");
    write(name + "/cgroup.controllers", controllers);
    write(name + "/cgroup.subtree_control", "");
    write(name + "/cgroup.procs", "");
  }
  void base() { cgroup("fleet-var-lib-fleet", "cpu memory pids\n"); }
};

TEST_F(Delegated, FleetdMovesAsideBeforeItHandsControllersDown) {
  base(), cgroup("supervisor", "");
  const auto own = take_cgroups(dir, kState);
  EXPECT_EQ(own.folder, dir + "/fleet-var-lib-fleet");
  EXPECT_EQ(own.controllers, kAll) << own.why;
  EXPECT_EQ(own.why, "");
  EXPECT_EQ(read("supervisor/cgroup.procs"), "0");
  EXPECT_EQ(read("cgroup.subtree_control"), "+cpu +memory +pids");
  EXPECT_EQ(read("fleet-var-lib-fleet/cgroup.subtree_control"), "+cpu +memory +pids");
}

TEST_F(Delegated, FleetdStaysWhereSystemdHasPutItAside) {
  base(), cgroup("supervisor", "");
  const auto own = take_cgroups(dir + "/supervisor", kState);
  EXPECT_EQ(own.folder, dir + "/fleet-var-lib-fleet");
  EXPECT_EQ(own.controllers, kAll) << own.why;
  EXPECT_EQ(read("supervisor/cgroup.procs"), "");
}

TEST_F(Delegated, TheTopOneMayHaveProcesses) {
  base();
  std::filesystem::remove(dir + "/cgroup.events");
  EXPECT_EQ(take_cgroups(dir, kState).controllers, kAll);
  EXPECT_FALSE(std::filesystem::exists(dir + "/supervisor"));
}

TEST_F(Delegated, AServiceThatSystemdCouldNotStartAgainIsLeftAsItIs) {
  cgroup("fleetd.service", "cpu memory pids\n"), cgroup("fleetd.service/fleet-var-lib-fleet", "");
  const auto service = dir + "/fleetd.service";
  const auto own = take_cgroups(service, kState);
  EXPECT_EQ(own.folder, service + "/fleet-var-lib-fleet");
  EXPECT_EQ(own.controllers, kNone);
  EXPECT_NE(own.why.find("DelegateSubgroup="), std::string::npos) << own.why;
  EXPECT_EQ(read("fleetd.service/cgroup.subtree_control"), "");
}

TEST_F(Delegated, WayIsMadeForTheNextStart) {
  cgroup("fleetd.service", "cpu memory pids\n"), cgroup("fleetd.service/fleet-var-lib-fleet", "cpu memory pids\n");
  cgroup("fleetd.service/.control", ""), cgroup("fleetd.service/supervisor", "");
  write("fleetd.service/cgroup.subtree_control", "cpu memory pids\n");
  write("fleetd.service/fleet-var-lib-fleet/cgroup.subtree_control", "cpu memory pids\n");
  ASSERT_TRUE(make_way(dir + "/fleetd.service/.control"));
  EXPECT_EQ(read("fleetd.service/cgroup.subtree_control"), "-cpu -memory -pids");
  EXPECT_EQ(read("fleetd.service/fleet-var-lib-fleet/cgroup.subtree_control"), "-cpu -memory -pids");
  EXPECT_EQ(take_cgroups(dir + "/fleetd.service", kState).controllers, kAll);
}

TEST_F(Delegated, WithoutCgroupsThereAreNone) {
  const auto own = take_cgroups("", kState);
  EXPECT_EQ(own.folder, "");
  EXPECT_NE(own.why, "");
  EXPECT_EQ(take_cgroups(dir + "/gone", kState).folder, "");
}

TEST_F(Delegated, WhatTheCgroupKeepsTheProcessNeedNot) {
  std::filesystem::create_directories(dir + "/shop-v1-1");
  write("shop-v1-1/memory.max", "max\n");
  RunConfig run;
  run.memory_max = 1u << 20, run.processes_max = 7;
  Confinement confined;
  confined.memory_max = run.memory_max, confined.processes_max = run.processes_max;
  confine({.state = "", .run = "", .programs = "", .cgroups = dir}, "shop-v1-1", run, confined);
  EXPECT_EQ(confined.cgroup, dir + "/shop-v1-1");
  EXPECT_EQ(confined.memory_max, 0u);
  EXPECT_EQ(confined.processes_max, 7u);
  EXPECT_EQ(read("shop-v1-1/memory.max"), "1048576");
}

TEST_F(Delegated, WithoutACgroupTheProcessesLimitsStay) {
  Confinement confined;
  confined.memory_max = 5;
  confine({.state = "", .run = "", .programs = ""}, "shop-v1-1", {}, confined);
  EXPECT_EQ(confined.cgroup, "");
  EXPECT_EQ(confined.memory_max, 5u);
}

}  // namespace
}  // namespace fleet
