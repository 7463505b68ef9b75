// The shim and the cgroup of its program. A real one where this machine lets us make one; for what no controller here can
// do, a folder with files as the kernel would write them.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "os/atomic_file.hpp"
#include "os/cgroup.hpp"
#include "os/process_tree.hpp"
#include "shim_process.hpp"

namespace fleet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using wire::ShimState;

struct CgroupOfAShim : Shim {
  CgroupOfAShim() {
    const auto own = os::own_cgroup_folder();
    if (!own.empty()) folder = own + "/fleet-shim-test-" + std::to_string(::getpid());
    if (folder.empty() || !os::make_cgroup(folder)) folder.clear();
  }
  ~CgroupOfAShim() override {
    if (folder.empty()) return;
    (void)os::kill_cgroup(folder);
    EXPECT_TRUE(eventually([&] { return os::remove_cgroup(folder).has_value(); }));
  }
  void SetUp() override {
    if (folder.empty()) GTEST_SKIP() << "no cgroup can be made here";
  }
  wire::Launch launch(const std::string& text) const {
    auto made = script(text);
    made.confined.cgroup = folder;
    return made;
  }
  std::vector<std::string> members() const {
    std::istringstream text(os::read_file(folder + "/cgroup.procs", 65536).value_or(""));
    return {std::istream_iterator<std::string>(text), {}};
  }
  bool has(std::uint32_t pid) const { return std::ranges::count(members(), std::to_string(pid)) == 1; }
  std::string folder;
};

TEST_F(CgroupOfAShim, HasTheProgramFromItsFirstInstantAndNotTheShim) {
  start();
  auto connection = dial();
  connection.send(launch("cat /proc/self/cgroup; sleep 100"));
  const auto running = connection.wait(ShimState::running);
  EXPECT_TRUE(eventually([&] { return !lines().empty() && members().size() == 2; }));
  const auto name = std::filesystem::path(folder).filename().string();
  EXPECT_TRUE(std::ranges::any_of(lines(), [&](const auto& line) { return line.ends_with("/" + name); }));
  EXPECT_TRUE(has(running.pid));
  EXPECT_FALSE(has(static_cast<std::uint32_t>(shim.pid)));
}

TEST_F(CgroupOfAShim, A11_KillsTheWholeTreeAtTheGraceDeadlineAndIsRemoved) {
  start();
  auto connection = dial();
  // Ignores SIGTERM, as does a grandchild that has left for a session and a parent of its own.
  connection.send(launch("trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ > far; while :; do sleep 1; done' &); "
                         "echo up; while :; do sleep 1; done"));
  connection.wait(ShimState::running);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/far") && members().size() >= 3; }));
  const auto asked = steady_clock::now();
  connection.send(wire::Stop{.signal = SIGTERM, .grace = milliseconds(700)});
  const auto exited = connection.wait(ShimState::exited);
  const auto took = steady_clock::now() - asked;
  EXPECT_EQ(exited.signal, static_cast<std::uint32_t>(SIGKILL));
  EXPECT_FALSE(exited.out_of_memory);
  EXPECT_GE(took, milliseconds(700));
  EXPECT_LE(took, milliseconds(1200));
  EXPECT_FALSE(std::filesystem::exists(folder)) << "before the end is told";
}

TEST_F(CgroupOfAShim, WhoOthersPutIntoItEndsWithItToo) {
  os::Spawn sleeper;
  sleeper.argv = {"/bin/sleep", "100"};
  auto other = os::spawn(sleeper);
  ASSERT_TRUE(other);
  std::ofstream(folder + "/cgroup.procs") << other->pid << std::flush;
  ASSERT_TRUE(has(static_cast<std::uint32_t>(other->pid)));
  start();
  auto connection = dial();
  connection.send(launch("exit 3"));
  EXPECT_EQ(connection.wait(ShimState::exited).exit_code, 3);
  EXPECT_TRUE(readable(other->pidfd.get()));
  EXPECT_EQ(os::reap(other->pidfd)->value_or(os::ExitStatus{}).signal, SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(CgroupOfAShim, AForkBombIsKilledAtOnce) {
  start();
  auto connection = dial();
  connection.send(launch("trap '' TERM; bomb() { for i in 1 2 3 4 5 6 7 8; do (while :; do sleep 0.01 & wait; done) & done; wait; }; bomb"));
  connection.wait(ShimState::running);
  ASSERT_TRUE(eventually([&] { return members().size() > 8; }));
  connection.send(wire::Stop{.signal = SIGKILL, .grace = milliseconds(0)});
  connection.wait(ShimState::exited);
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_TRUE(os::descendants(os::processes(), shim.pid).empty());
}

TEST_F(Shim, ACgroupThatIsNotThereIsAFailureToStart) {
  start();
  auto connection = dial();
  auto launch = script("true");
  launch.confined.cgroup = dir + "/none";
  connection.send(launch);
  EXPECT_EQ(connection.wait(ShimState::failed).error,
            "cannot start /bin/sh: cannot enter " + dir + "/none: no such file or directory");
}

// Runs the script in a folder that looks like a cgroup of 512 MiB.
struct MemoryOfAShim : Shim {
  wire::ShimStatus end_of(const std::string& text) {
    std::filesystem::create_directory(dir + "/group");
    for (const auto& [name, content] : {std::pair{"cgroup.procs", ""}, {"memory.max", "536870912\n"},
                                        {"memory.events", "oom 1\noom_kill 1\n"}, {"cgroup.events", "populated 0\n"}}) {
      std::ofstream(dir + "/group/" + name) << content;
    }
    start();
    auto connection = dial();
    auto launch = script(text);
    launch.confined.cgroup = dir + "/group";
    connection.send(launch);
    return connection.wait(ShimState::exited);
  }
};

TEST_F(MemoryOfAShim, A9_OutOfMemoryIsToldFromACrash) {
  const auto status = end_of("printf 'oom 2\\noom_kill 3\\n' > group/memory.events; kill -9 $$");
  EXPECT_TRUE(status.out_of_memory);
  EXPECT_EQ(status.memory_max, 536870912u);
}

TEST_F(MemoryOfAShim, A9_TheMachinesWantOfMemoryIsNotTheApps) {
  const auto status = end_of("printf 'oom 1\\noom_kill 2\\n' > group/memory.events; kill -9 $$");
  EXPECT_TRUE(status.out_of_memory);
  EXPECT_EQ(status.memory_max, 0u);
}

TEST_F(MemoryOfAShim, A9_AKillOfAnotherKindIsNotOutOfMemory) { EXPECT_FALSE(end_of("kill -9 $$").out_of_memory); }

TEST_F(MemoryOfAShim, A9_NorIsACrashAfterAnotherProcessRanOut) {
  EXPECT_FALSE(end_of("printf 'oom 2\\noom_kill 3\\n' > group/memory.events; kill -SEGV $$").out_of_memory);
}

}  // namespace
}  // namespace fleet
