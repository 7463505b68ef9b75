#include "os/cgroup.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "os/atomic_file.hpp"
#include "temp_dir.hpp"

namespace fleet::os {
namespace {

constexpr const char* kHybrid =
    "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";

TEST(CgroupFolder, IsFoundWhereVersion2IsMountedWhateverElseIs) {
  EXPECT_EQ(cgroup_folder("8:pids:/x\n0::/\n", kHybrid), "/sys/fs/cgroup/unified");
  EXPECT_EQ(cgroup_folder("8:pids:/x\n0::/system.slice/fleetd.service\n", kHybrid),
            "/sys/fs/cgroup/unified/system.slice/fleetd.service");
}

TEST(CgroupFolder, IsBelowTheRootOfWhatIsMounted) {
  const std::string part = "41 31 0:38 /a/b /mnt/my\\040groups rw - cgroup2 none rw\n";
  EXPECT_EQ(cgroup_folder("0::/a/b/c\n", part), "/mnt/my groups/c");
  EXPECT_EQ(cgroup_folder("0::/a/b\n", part), "/mnt/my groups");
  EXPECT_EQ(cgroup_folder("0::/a/bc\n", part), "");
}

TEST(CgroupFolder, IsNoneWhereThereIsNoneToBeReached) {
  EXPECT_EQ(cgroup_folder("8:pids:/x\n", kHybrid), "");
  EXPECT_EQ(cgroup_folder("0::/../outside\n", kHybrid), "");
  EXPECT_EQ(cgroup_folder("0::/a\n", "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n"), "");
  EXPECT_EQ(cgroup_folder("", ""), "");
}

TEST(CgroupName, IsOfOnePathOnly) {
  EXPECT_EQ(cgroup_name("/var/lib/fleet"), "var-lib-fleet");
  EXPECT_EQ(cgroup_name("/var/lib-fleet"), "var-lib\\x2dfleet");
  EXPECT_EQ(cgroup_name("/a b"), "a\\x20b");
}

// A folder with files as the kernel would have them there.
struct FakeCgroup : TempDir {
  void file(const std::string& name, const std::string& text) { std::ofstream(dir + "/" + name) << text; }
  std::string text(const std::string& name) { return read_file(dir + "/" + name, 4096).value_or("(none)"); }
};

TEST_F(FakeCgroup, IsLimitedAsFarAsItsControllersGo) {
  file("memory.max", "max\n"), file("memory.oom.group", "0\n"), file("cpu.max", "max 100000\n");
  const auto kept = limit_cgroup(dir, {.memory = 512u << 20, .cpu = 1500, .processes = 100});
  ASSERT_TRUE(kept) << kept.error().text;
  EXPECT_EQ(*kept, (CgroupControllers{.memory = true, .cpu = true, .processes = false}));
  EXPECT_EQ(text("memory.max"), "536870912");
  EXPECT_EQ(text("memory.oom.group"), "1");
  EXPECT_EQ(text("cpu.max"), "150000 100000");
  EXPECT_EQ(text("pids.max"), "(none)");
}

TEST_F(FakeCgroup, IsLimitedAnewToWhatThereIs) {
  file("memory.max", "1\n"), file("cpu.max", "1 100000\n"), file("pids.max", "1\n");
  ASSERT_TRUE(limit_cgroup(dir, {}));
  EXPECT_EQ(text("memory.max"), "max");
  EXPECT_EQ(text("cpu.max"), "max 100000");
  EXPECT_EQ(text("pids.max"), "max");
}

TEST_F(FakeCgroup, HandsDownTheControllersThatItHas) {
  file("cgroup.controllers", "cpuset cpu io memory\n"), file("cgroup.subtree_control", "\n");
  const auto given = delegate_controllers(dir);
  ASSERT_TRUE(given) << given.error().text;
  EXPECT_EQ(*given, (CgroupControllers{.memory = true, .cpu = true, .processes = false}));
  EXPECT_EQ(text("cgroup.subtree_control"), "+cpu +memory");
}

TEST_F(FakeCgroup, TakesThemBackFromTheBottomUp) {
  file("cgroup.subtree_control", "cpu memory pids\n");
  std::filesystem::create_directory(dir + "/below");
  file("below/cgroup.subtree_control", "memory\n");
  ASSERT_TRUE(withdraw_controllers(dir));
  EXPECT_EQ(text("cgroup.subtree_control"), "-cpu -memory -pids");
  EXPECT_EQ(text("below/cgroup.subtree_control"), "-memory");
}

TEST_F(FakeCgroup, TellsItsOwnWantOfMemoryFromTheMachines) {
  EXPECT_EQ(out_of_memory(dir).killed, 0u);
  file("memory.max", "536870912\n");
  file("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n");
  EXPECT_EQ(out_of_memory(dir).killed, 3u);
  EXPECT_EQ(out_of_memory(dir).reached, 2u);
  EXPECT_EQ(out_of_memory(dir).limit, 536870912u);
  file("memory.max", "max\n"), file("memory.events", "oom 0\noom_kill 1\n");
  EXPECT_EQ(out_of_memory(dir).killed, 1u);
  EXPECT_EQ(out_of_memory(dir).reached, 0u);
  EXPECT_EQ(out_of_memory(dir).limit, 0u);
}

TEST_F(FakeCgroup, KnowsWhetherAnybodyIsInIt) {
  EXPECT_FALSE(is_populated(dir));
  file("cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_TRUE(is_populated(dir));
  file("cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_FALSE(is_populated(dir));
}

TEST_F(FakeCgroup, IsRemovedWithThoseBelow) {
  std::filesystem::create_directories(dir + "/one/two");
  EXPECT_TRUE(remove_cgroup(dir + "/none"));
  EXPECT_TRUE(kill_cgroup(dir + "/none"));
}

}  // namespace
}  // namespace fleet::os
