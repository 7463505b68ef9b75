#include "os/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "core/signal_names.hpp"
#include "os/atomic_file.hpp"
#include "os/process_tree.hpp"
#include "os/users.hpp"
#include "temp_dir.hpp"

namespace fleet::os {
namespace {

using Spawning = TempDir;

bool wait_readable(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, 10000) == 1;
}

ExitStatus wait_for(const Process& process) {
  EXPECT_TRUE(wait_readable(process.pidfd.get()));
  auto status = reap(process.pidfd);
  EXPECT_TRUE(status && *status);
  return status && *status ? **status : ExitStatus{.code = -1};
}

Spawn shell(const std::string& script) {
  Spawn what;
  what.argv = {"/bin/sh", "-c", script};
  return what;
}

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  std::string rest() {
    in.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(out.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(got));
    return text;
  }
  Fd out, in;
};

std::string output_of(Spawn what) {
  Pipe pipe;
  what.out = pipe.in.get();
  const auto process = spawn(what);
  EXPECT_TRUE(process) << process.error().text;
  const auto text = pipe.rest();
  if (process) wait_for(*process);
  return text;
}

TEST_F(Spawning, GivesExitCodesAndSignals) {
  EXPECT_EQ(wait_for(*spawn(shell("exit 7"))).code, 7);
  const auto killed = wait_for(*spawn(shell("kill -KILL $$")));
  EXPECT_EQ(killed.code, 128 + SIGKILL);
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_GT(killed.max_rss_kib, 0u);
}

TEST_F(Spawning, ReapsWithoutWaitingAndOnlyOnce) {
  Pipe pipe;
  auto what = shell("read x");
  what.in = pipe.out.get();
  const auto process = spawn(what);
  ASSERT_TRUE(process);
  EXPECT_FALSE(reap(process->pidfd).value().has_value());
  pipe.in.reset();
  wait_for(*process);
  EXPECT_FALSE(reap(process->pidfd));
}

TEST_F(Spawning, AChildIsOneUntilItIsReaped) {
  EXPECT_FALSE(has_children());
  Pipe pipe;
  auto what = shell("read x");
  what.in = pipe.out.get();
  const auto process = spawn(what);
  ASSERT_TRUE(process);
  EXPECT_TRUE(has_children());
  EXPECT_TRUE(has_children()) << "to ask changes nothing";
  pipe.in.reset();
  wait_for(*process);
  EXPECT_FALSE(has_children());
}

TEST_F(Spawning, GivesTheProgramItsEnvironmentFolderAndDescriptorsAndNothingElse) {
  ASSERT_TRUE(write_file(dir + "/a", "from a"));
  ASSERT_TRUE(write_file(dir + "/b", "from b"));
  const Fd a(::open((dir + "/a").c_str(), O_RDONLY)), b(::open((dir + "/b").c_str(), O_RDONLY));
  const Fd inheritable(::fcntl(a.get(), F_DUPFD, 40));
  auto what = shell(
      "pwd; echo $X; cat <&3; cat <&4; echo; for n in $(seq 0 60); do "
      "[ ! -e /proc/$$/fd/$n ] || echo $n; done");
  what.cwd = dir;
  what.env = {"X=y z", "PATH=/usr/bin:/bin"};
  what.fds = {b.get(), a.get()};
  EXPECT_EQ(output_of(what), dir + "\ny z\nfrom bfrom a\n0\n1\n2\n3\n4\n");
}

TEST_F(Spawning, DescriptorsMayTradePlaces) {
  const Pipe pipe;  // usually 3 and 4, which become 4 and 3
  auto what = shell("echo across >&3; read word <&4; [ $word = across ]");
  what.fds = {pipe.in.get(), pipe.out.get()};
  EXPECT_EQ(wait_for(*spawn(what)).code, 0);
}

TEST_F(Spawning, ResetsSignalsThatWeBlockOrIgnore) {
  struct sigaction before {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGTERM, &ignore, &before);
  sigset_t term, mask;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, &mask);
  const auto status = wait_for(*spawn(shell("kill -TERM $$; exit 1")));
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::sigaction(SIGTERM, &before, nullptr);
  EXPECT_EQ(status.signal, SIGTERM);
}

TEST_F(Spawning, LeadsASessionOfItsOwn) {
  const auto process = spawn(shell("sleep 10"));
  ASSERT_TRUE(process);
  EXPECT_EQ(::getsid(process->pid), process->pid);
  EXPECT_TRUE(signal(process->pidfd, SIGKILL));
  wait_for(*process);
}

TEST_F(Spawning, FindsProgramsInThePathItGives) {
  ASSERT_TRUE(write_file(dir + "/hello", "#!/bin/sh\necho found\n", 0755));
  Spawn what;
  what.argv = {"hello"};
  what.env = {"PATH=/nowhere:" + dir};
  EXPECT_EQ(output_of(what), "found\n");
  what.argv = {"./hello"};
  what.cwd = dir;
  EXPECT_EQ(output_of(what), "found\n");
}

std::string failure(Spawn what) {
  const auto process = spawn(what);
  EXPECT_FALSE(process);
  return process ? "started" : process.error().text;
}

TEST_F(Spawning, SaysWhichStepFailed) {
  Spawn what;
  what.argv = {"./bin/server"};
  what.cwd = dir;
  EXPECT_EQ(failure(what), "cannot start ./bin/server: no such file or directory");
  ASSERT_TRUE(write_file(dir + "/plain", "text", 0644));
  what.argv = {"./plain"};
  EXPECT_EQ(failure(what), "cannot start ./plain: permission denied (not executable)");
  ASSERT_TRUE(write_file(dir + "/script", "#!/no/such/shell\n", 0755));
  what.argv = {"./script"};
  EXPECT_EQ(failure(what), "cannot start ./script: no such file or directory (the interpreter it names is missing)");
  what.cwd = dir + "/none";
  EXPECT_EQ(failure(what), "cannot start ./script: cannot enter " + dir + "/none: no such file or directory");
  what.argv = {"no-such-program"};
  what.cwd.clear();
  EXPECT_EQ(failure(what), "cannot start no-such-program: no such file or directory");
  what.argv = {"/bin/true", std::string("a\0b", 3)};
  EXPECT_EQ(failure(what), "cannot start /bin/true: an argument or variable contains a NUL byte");
  what.argv.clear();
  EXPECT_EQ(failure(what), "cannot start: no program is named");
}

TEST_F(Spawning, KeepsTheProgramWithinItsLimits) {
  auto what = shell("ulimit -n; ulimit -d; ulimit -p; grep NoNewPrivs /proc/self/status");
  what.confined.open_files = 123;
  what.confined.memory_max = 64u << 20;
  what.confined.processes_max = 45678;
  what.confined.no_new_privileges = true;
  EXPECT_EQ(output_of(what), "123\n65536\n45678\nNoNewPrivs:\t1\n");
  EXPECT_EQ(output_of(shell("grep NoNewPrivs /proc/self/status")), "NoNewPrivs:\t0\n") << "nor is this program";
}

TEST_F(Spawning, ChoosesWhomTheKernelKillsFirst) {
  auto what = shell("cat /proc/self/oom_score_adj");
  what.confined.oom_score_adj = 321;
  EXPECT_EQ(output_of(what), "321\n");
  EXPECT_NE(read_file("/proc/self/oom_score_adj", 16).value_or(""), "321\n");
}

TEST_F(Spawning, BecomesTheUserWithItsGroupsAndKeepsNothingOfRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root";
  auto what = shell("id -u; id -g; id -G; grep -E '^(CapEff|CapPrm|CapInh)' /proc/self/status | cut -f2");
  what.confined.as = Identity{65534, 65533, {65532, 65531}};
  EXPECT_EQ(output_of(what),
            "65534\n65533\n65533 65531 65532\n0000000000000000\n0000000000000000\n0000000000000000\n");
  EXPECT_EQ(::geteuid(), 0u) << "this program is who it was";
  ::chmod(dir.c_str(), 0700);
  what.cwd = dir;
  const auto outside = spawn(what);
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().text, "cannot start /bin/sh: cannot enter " + dir + ": permission denied");
}

TEST(Users, AreKnownWithTheirGroups) {
  const auto root = identity_of("root", "");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->uid, 0u);
  EXPECT_EQ(root->gid, 0u);
  EXPECT_EQ(identity_of("root", "daemon")->gid, 1u);
  EXPECT_EQ(identity_of("nobody-of-fleet", "").error().text, "no user \"nobody-of-fleet\" on this machine");
  EXPECT_EQ(identity_of("root", "none-of-fleet").error().text, "no group \"none-of-fleet\" on this machine");
}

TEST_F(Spawning, AFailureLeavesNoChildBehind) {
  Spawn what;
  what.argv = {"/no/such"};
  EXPECT_FALSE(spawn(what));
  EXPECT_TRUE(descendants(processes(), ::getpid()).empty());
}

TEST(Identity, APidIsOpenedOnlyWithItsStartTime) {
  const auto process = spawn(shell("sleep 10"));
  ASSERT_TRUE(process);
  EXPECT_NE(process->start_time, 0u);
  EXPECT_TRUE(open_pidfd(process->pid, process->start_time));
  EXPECT_EQ(open_pidfd(process->pid, process->start_time + 1).error().kind, ErrorKind::not_found);
  EXPECT_TRUE(signal(process->pidfd, SIGKILL));
  wait_for(*process);
  EXPECT_EQ(open_pidfd(process->pid, process->start_time).error().kind, ErrorKind::not_found);
  EXPECT_EQ(signal(process->pidfd, SIGKILL).error().kind, ErrorKind::not_found);
  EXPECT_EQ(start_time_of(process->pid), 0u);
}

TEST(Identity, TheBootHasAnId) { EXPECT_EQ(boot_id().size(), 36u); }

TEST(ProcessTable, AProcessNameMayHoldAnything) {
  const auto entry = parse_stat("42 (a) R 1 (b) S 7 40 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654321 1 2 3\n");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->pid, 42);
  EXPECT_EQ(entry->parent, 7);
  EXPECT_EQ(entry->group, 40);
  EXPECT_EQ(entry->session, 41);
  EXPECT_EQ(entry->start_time, 987654321u);
  EXPECT_FALSE(entry->zombie);
  for (const char* bad : {"", "42", "42 (a)", "42 (a) S 7", "x (a) S 7 40 41 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 1"}) {
    EXPECT_FALSE(parse_stat(bad)) << bad;
  }
}

std::vector<pid_t> pids(const std::vector<ProcessEntry>& entries) {
  std::vector<pid_t> out;
  for (const auto& entry : entries) out.push_back(entry.pid);
  return out;
}

TEST(ProcessTable, ATreeIsTheDescendantsAndWhoIsInTheRootsSessionOrGroup) {
  const std::vector<ProcessEntry> table = {
      {.pid = 30, .parent = 20, .group = 30, .session = 30},  // left the session, its parent lives
      {.pid = 10, .parent = 1, .group = 10, .session = 10},   // the root
      {.pid = 20, .parent = 10, .group = 10, .session = 10},  // child
      {.pid = 40, .parent = 1, .group = 10, .session = 10},   // its parent ended
      {.pid = 50, .parent = 40, .group = 50, .session = 50},  // and that one's child
      {.pid = 60, .parent = 1, .group = 60, .session = 60},   // a stranger
  };
  EXPECT_EQ(pids(descendants(table, 10)), (std::vector<pid_t>{30, 20}));
  EXPECT_EQ(pids(tree(table, 10)), (std::vector<pid_t>{30, 10, 20, 40, 50}));
}

TEST(ProcessTable, ASignalGoesToAllOfATreeButNotToANewcomerWithAnOldPid) {
  Pipe pipe;
  auto what = shell("(sleep 10) & echo; wait");
  what.out = pipe.in.get();
  what.env = {"PATH=/usr/bin:/bin"};
  const auto process = spawn(what);
  ASSERT_TRUE(process);
  ASSERT_TRUE(wait_readable(pipe.out.get()));
  auto members = tree(processes(), process->pid);
  EXPECT_EQ(members.size(), 2u);
  auto strangers = members;
  for (auto& entry : strangers) ++entry.start_time;
  EXPECT_EQ(signal_all(strangers, SIGKILL), 0u);
  EXPECT_EQ(signal_all(members, SIGKILL), 2u);
  EXPECT_EQ(wait_for(*process).signal, SIGKILL);
}

TEST(SignalNames, GoBothWays) {
  EXPECT_EQ(signal_name(SIGTERM), "SIGTERM");
  EXPECT_EQ(signal_name(SIGRTMIN + 3), "SIGRTMIN+3");
  EXPECT_EQ(signal_name(999), "signal 999");
  for (int number = 1; number <= SIGRTMAX; ++number) {
    const auto text = signal_name(number);
    EXPECT_EQ(parse_signal(text), text.starts_with("signal") ? std::nullopt : std::optional(number)) << text;
  }
  EXPECT_EQ(parse_signal("QUIT"), SIGQUIT);
  for (const char* bad : {"", "SIG", "sigterm", "15", "SIGRTMIN+", "SIGRTMIN+99", "SIGRTMIN-1", "SIGTERM "}) {
    EXPECT_FALSE(parse_signal(bad)) << bad;
  }
}

}  // namespace
}  // namespace fleet::os
