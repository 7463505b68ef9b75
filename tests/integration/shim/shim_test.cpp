#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <regex>

#include "os/atomic_file.hpp"
#include "os/process_tree.hpp"
#include "os/unix_socket.hpp"
#include "shim_process.hpp"

namespace fleet {
namespace {

using std::chrono::milliseconds;
using wire::ShimState;
using wire::ShimStatus;

bool ready(const ShimStatus& status) { return status.ready; }

wire::Stop stop_with(int signal, milliseconds grace) {
  return {.signal = static_cast<std::uint32_t>(signal), .grace = grace};
}

// Waits for a script that writes its pid (or a child's) to a file.
pid_t pid_in(const std::string& path) {
  pid_t pid = 0;
  EXPECT_TRUE(eventually([&] {
    const auto text = os::read_file(path, 32);
    pid = text && text->ends_with('\n') ? std::stoi(*text) : 0;
    return pid != 0;
  })) << path;
  return pid;
}

TEST_F(Shim, GivesAProgramItsInput) {
  start();
  auto link = dial();
  auto launch = script("cat; cat");  // to its end, and it stays there
  launch.input = std::string(200'000, 'x') + "\n{\"a\": 1}\n";
  launch.log_max_bytes = 1u << 20;
  link.send(launch);
  EXPECT_EQ(link.wait(ShimState::exited).exit_code, 0);
  EXPECT_EQ(lines().back(), "o {\"a\": 1}");
}

TEST_F(Shim, KillsTheWholeTreeWhenItsTimeIsOverThoughNobodyListens) {
  start();
  {
    auto link = dial();
    auto launch = script("sleep 1000 & echo $! > child; trap '' TERM; wait");
    launch.time_limit = milliseconds(300);
    link.send(launch);
    link.wait(ShimState::running);
  }
  const auto child = pid_in(dir + "/child");
  EXPECT_TRUE(eventually([&] { return !exists(child); }));
  const auto ended = dial().wait(ShimState::exited);
  EXPECT_EQ(ended.time_limit, milliseconds(300));
  EXPECT_EQ(ended.signal, static_cast<std::uint32_t>(SIGKILL));
}

TEST_F(Shim, TellsItsStatusOnConnectingAndRunsAProgramToItsExitCode) {
  start();
  auto link = dial();
  const auto first = link.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->state, ShimState::empty);
  EXPECT_EQ(first->protocol, wire::kProtocol);
  EXPECT_EQ(first->version, FLEET_VERSION);
  EXPECT_EQ(first->id, "test-1-0");
  EXPECT_EQ(first->shim_pid, static_cast<std::uint32_t>(shim.pid));

  auto launch = script("read go < fifo; exit 42");
  ASSERT_EQ(::mkfifo((dir + "/fifo").c_str(), 0600), 0);
  launch.id = "test-2-0";
  link.send(launch);
  const auto running = link.wait(ShimState::running);
  EXPECT_EQ(running.id, "test-2-0");
  EXPECT_EQ(running.start_time, os::start_time_of(static_cast<pid_t>(running.pid)));
  EXPECT_EQ(::getsid(static_cast<pid_t>(running.pid)), static_cast<pid_t>(running.pid));
  os::Fd(::open((dir + "/fifo").c_str(), O_WRONLY | O_CLOEXEC)).reset();
  const auto exited = link.wait(ShimState::exited);
  EXPECT_EQ(exited.exit_code, 42);
  EXPECT_EQ(exited.signal, 0u);
  EXPECT_EQ(exited.pid, running.pid);
  EXPECT_FALSE(exited.stopping);
  EXPECT_GT(exited.max_rss_kib, 0u);
}

TEST_F(Shim, GivesTheProgramItsFolderEnvironmentAndDescriptors) {
  start();
  auto link = dial();
  ASSERT_TRUE(os::write_file(dir + "/one", "first"));
  ASSERT_TRUE(os::write_file(dir + "/two", "second"));
  const os::Fd one(::open((dir + "/one").c_str(), O_RDONLY | O_CLOEXEC));
  const os::Fd two(::open((dir + "/two").c_str(), O_RDONLY | O_CLOEXEC));
  auto launch = script(
      "pwd; echo \"$A|$HOME\"; cat <&3; echo; cat <&4; echo; "
      "for n in $(seq 0 40); do [ ! -e /proc/$$/fd/$n ] || printf \"$n \"; done");
  launch.env["A"] = "b = c";
  link.send(launch, {one.get(), two.get()});
  link.wait(ShimState::exited);
  EXPECT_EQ(lines(), (std::vector<std::string>{"o " + dir, "o b = c|", "o first", "o second", "o 0 1 2 3 4 "}));
}

TEST_F(Shim, LogsEachLineWithItsTimeAndStream) {
  start();
  auto link = dial();
  link.send(script("echo out; echo err >&2; printf 'no end'"));
  link.wait(ShimState::exited);
  const auto text = os::read_file(log, 10000).value();
  const std::regex line(R"((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [oe] .*\n)+)");
  EXPECT_TRUE(std::regex_match(text, line)) << text;
  auto got = lines();
  std::ranges::sort(got);
  EXPECT_EQ(got, (std::vector<std::string>{"e err", "o no end", "o out"}));
}

TEST_F(Shim, CutsLinesThatAreTooLong) {
  start();
  auto link = dial();
  link.send(script("head -c 40000 /dev/zero | tr '\\0' x; echo; echo after"));
  link.wait(ShimState::exited);
  const auto got = lines();
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[0].size(), 2u + 16384u);
  EXPECT_EQ(got[1].size(), 2u + 16384u);
  EXPECT_EQ(got[2].size(), 2u + 40000u - 2 * 16384u);
  EXPECT_EQ(got[3], "o after");
}

TEST_F(Shim, RotatesTheLogAndKeepsNoMoreThanAsked) {
  start();
  auto link = dial();
  auto launch = script("seq 1 1000");
  launch.log_max_bytes = 10000;
  launch.log_keep = 2;
  link.send(launch);
  link.wait(ShimState::exited);
  std::vector<std::string> all;
  for (const char* suffix : {".2", ".1", ""}) {
    EXPECT_LE(std::filesystem::file_size(log + suffix), 10000u);
    for (const auto& line : lines(suffix)) all.push_back(line);
  }
  EXPECT_FALSE(std::filesystem::exists(log + ".3"));
  ASSERT_GT(all.size(), 500u);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], "o " + std::to_string(1000 - all.size() + 1 + i));
}

TEST_F(Shim, KeepsUpWithAProgramThatWritesMuch) {
  start();
  auto link = dial();
  auto launch = script("seq 1 200000; seq 1 200000 >&2");
  launch.log_max_bytes = 64u << 20;
  link.send(launch);
  link.wait(ShimState::exited);
  EXPECT_EQ(lines().size(), 400000u);
}

TEST_F(Shim, ReportsTheSignalThatEndedTheProgram) {
  start();
  auto link = dial();
  link.send(script("kill -SEGV $$"));
  const auto exited = link.wait(ShimState::exited);
  EXPECT_EQ(exited.signal, static_cast<std::uint32_t>(SIGSEGV));
  EXPECT_EQ(exited.exit_code, 128 + SIGSEGV);
}

TEST_F(Shim, StopsTheProgramWithItsSignal) {
  start();
  auto link = dial();
  link.send(script("trap 'echo bye; exit 3' USR1; echo > up; while :; do sleep 0.01; done"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/up"); }));
  link.send(stop_with(SIGUSR1, milliseconds(60000)));
  const auto exited = link.wait(ShimState::exited);
  EXPECT_EQ(exited.exit_code, 3);
  EXPECT_TRUE(exited.stopping);
  EXPECT_EQ(lines(), std::vector<std::string>{"o bye"});
}

TEST_F(Shim, StopsAProgramThatIsHalted) {
  start();
  auto link = dial();
  link.send(script("kill -STOP $$; while :; do sleep 1; done"));
  const auto pid = static_cast<pid_t>(link.wait(ShimState::running).pid);
  ASSERT_TRUE(eventually([&] {
    const auto text = os::read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
    return text && text->find(") T ") != text->npos;
  }));
  link.send(stop_with(SIGTERM, milliseconds(60000)));
  EXPECT_EQ(link.wait(ShimState::exited).signal, static_cast<std::uint32_t>(SIGTERM));
}

TEST_F(Shim, KillsTheWholeTreeAtTheDeadlineOfAStop) {
  start();
  auto link = dial();
  // All ignore SIGTERM: the program, its child, a grandchild whose parent is gone, and one in a session of its own.
  link.send(
      script("trap '' TERM\n"
             "sleep 600 & echo $! > child\n"
             "(sleep 600 & echo $! > orphan)\n"
             "setsid sh -c 'echo $$ > session; while :; do sleep 1; done' &\n"
             "while :; do sleep 1; done"));
  const auto running = link.wait(ShimState::running);
  std::vector<pid_t> tree{static_cast<pid_t>(running.pid)};
  for (const char* name : {"/child", "/orphan", "/session"}) tree.push_back(pid_in(dir + name));
  const auto begin = std::chrono::steady_clock::now();
  link.send(stop_with(SIGTERM, milliseconds(300)));
  const auto exited = link.wait(ShimState::exited);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, milliseconds(300));
  EXPECT_LT(took, milliseconds(800));  // FAULTS A11: the deadline and half a second
  EXPECT_EQ(exited.signal, static_cast<std::uint32_t>(SIGKILL));
  for (const pid_t pid : tree) EXPECT_FALSE(exists(pid)) << pid;
}

TEST_F(Shim, TheEarlierDeadlineHoldsWhenStoppedAgain) {
  start();
  auto link = dial();
  link.send(script("trap '' TERM; echo > up; while :; do sleep 0.05; done"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/up"); }));
  link.send(stop_with(SIGTERM, milliseconds(60000)));
  link.send(stop_with(SIGTERM, milliseconds(50)));
  link.send(stop_with(SIGTERM, milliseconds(60000)));
  EXPECT_EQ(link.wait(ShimState::exited).signal, static_cast<std::uint32_t>(SIGKILL));
}

TEST_F(Shim, KillsWhatTheProgramLeavesBehind) {
  start();
  auto link = dial();
  link.send(script("setsid sh -c 'setsid sleep 600 & echo $! > left' & wait; exec 2>&-; echo last; exit 5"));
  const auto exited = link.wait(ShimState::exited);
  EXPECT_EQ(exited.exit_code, 5);
  EXPECT_FALSE(exists(pid_in(dir + "/left")));
  EXPECT_EQ(lines(), std::vector<std::string>{"o last"});
  EXPECT_TRUE(os::descendants(os::processes(), shim.pid).empty());
}

TEST_F(Shim, ReapsOrphansWhileTheProgramRuns) {
  start();
  auto link = dial();
  link.send(script("(sleep 0.01 & echo $! > orphan); while :; do sleep 1; done"));
  const pid_t orphan = pid_in(dir + "/orphan");
  EXPECT_TRUE(eventually([&] { return !os::process_entry(orphan); }));
  EXPECT_TRUE(runs());
}

// A script's command to send a datagram, a Perl expression, to its NOTIFY_SOCKET.
std::string notify(const std::string& datagram) {
  return "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0); send(S, " + datagram +
         ", 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die'\n";
}

TEST_F(Shim, TellsWhenTheProgramSaysItIsReady) {
  start();
  auto link = dial();
  auto launch = script(notify(R"("STATUS=warming up\nX=y")") + notify(R"("READY=1\nSTATUS=\xff" . "z" x 300)") +
                       "while :; do sleep 1; done");
  launch.notify_socket = dir + "/notify";
  link.send(launch);
  const auto status = link.wait(ready);
  EXPECT_EQ(status.state, ShimState::running);
  EXPECT_EQ(status.notify_status, "?" + std::string(255, 'z'));
  struct stat is {};
  ASSERT_EQ(::stat(launch.notify_socket.c_str(), &is), 0);
  EXPECT_EQ(is.st_mode & 07777, 0600u);
  link.send(stop_with(SIGKILL, milliseconds(0)));
  link.wait(ShimState::exited);
  EXPECT_FALSE(std::filesystem::exists(launch.notify_socket));
}

TEST_F(Shim, TellsAChangedStatusTextWithoutReadiness) {
  start();
  auto link = dial();
  auto launch = script(notify(R"("STATUS=warming up")") + "while :; do sleep 1; done");
  launch.notify_socket = dir + "/notify";
  link.send(launch);
  const auto status = link.wait([](const ShimStatus& told) { return !told.notify_status.empty(); });
  EXPECT_EQ(status.notify_status, "warming up");
  EXPECT_FALSE(status.ready);
}

TEST_F(Shim, BelievesOnlyItsOwnProgramsThatTheyAreReady) {
  start();
  auto link = dial();
  auto launch =
      script("while [ ! -e go ]; do sleep 0.01; done\n" + notify(R"("READY=1")") + "while :; do sleep 1; done");
  launch.notify_socket = dir + "/notify";
  link.send(launch);
  link.wait(ShimState::running);
  const os::Fd stranger(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  launch.notify_socket.copy(address.sun_path, sizeof address.sun_path - 1);
  const std::string lie = "READY=1\nSTATUS=a stranger";
  ASSERT_EQ(
      ::sendto(stranger.get(), lie.data(), lie.size(), 0, reinterpret_cast<const sockaddr*>(&address), sizeof address),
      static_cast<ssize_t>(lie.size()));
  ASSERT_TRUE(os::write_file(dir + "/go", ""));
  EXPECT_EQ(link.wait(ready).notify_status, "");  // in the order sent
}

TEST_F(Shim, ANewerConnectionReplacesTheOlderAndIsToldTheStatus) {
  start();
  auto first = dial();
  first.send(script("while :; do sleep 1; done"));
  const auto running = first.wait(ShimState::running);
  auto second = dial();
  const auto told = second.next();
  ASSERT_TRUE(told);
  EXPECT_EQ(*told, running);
  EXPECT_FALSE(first.next());
  second.send(stop_with(SIGTERM, milliseconds(5000)));
  EXPECT_EQ(second.wait(ShimState::exited).signal, static_cast<std::uint32_t>(SIGTERM));
}

TEST_F(Shim, OutlivesItsLinkAndKeepsTheExitStatusUntilItIsDismissed) {
  start();
  {
    auto link = dial();
    link.send(script("while [ ! -e end ]; do sleep 0.01; done; exit 9"));
    link.wait(ShimState::running);
    link.send(wire::Dismiss{});  // ignored: it runs
  }
  for (const int number : {SIGHUP, SIGINT, SIGPIPE, SIGQUIT}) ASSERT_TRUE(os::signal(shim.pidfd, number));
  ASSERT_TRUE(os::write_file(dir + "/end", ""));
  ASSERT_TRUE(eventually([&] { return os::descendants(os::processes(), shim.pid).empty(); }));
  auto link = dial();
  EXPECT_EQ(link.wait(ShimState::exited).exit_code, 9);
  link.send(wire::Dismiss{});
  EXPECT_EQ(wait_for_end().code, 0);
  EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST_F(Shim, SaysWhyAProgramCouldNotBeStarted) {
  start();
  auto link = dial();
  auto launch = script("");
  launch.argv = {"./bin/server"};
  link.send(launch);
  const auto failed = link.wait(ShimState::failed);
  EXPECT_EQ(failed.error, "cannot start ./bin/server: no such file or directory");
  EXPECT_EQ(failed.pid, 0u);
  link.send(wire::Dismiss{});
  EXPECT_EQ(wait_for_end().code, 0);
}

TEST_F(Shim, LaunchesOnlyOnce) {
  start();
  auto link = dial();
  link.send(script("while :; do sleep 1; done"));
  const auto running = link.wait(ShimState::running);
  link.send(script("echo second"));
  const auto again = link.next();
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, running);
}

TEST_F(Shim, LeavesWhenThereIsNothingToLaunch) {
  start({"--launch-within", "50"});
  auto link = dial();
  EXPECT_EQ(wait_for_end().code, 0);
  EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST_F(Shim, HangsUpOnAPeerThatDoesNotSpeakItsLanguage) {
  start();
  for (const std::string& bytes :
       {std::string(64, '\xff'), wire::frame(wire::StatsRequest{}), std::string("\4\0\0\0\2\0\0\0abcd", 12)}) {
    auto link = dial();
    EXPECT_TRUE(link.next());
    link.send_raw(bytes);
    EXPECT_FALSE(link.next());
  }
  auto link = dial();
  link.send(script("exit 0"));
  link.wait(ShimState::exited);
}

TEST_F(Shim, StopsItsProgramAndLeavesWhenItIsTerminated) {
  start();
  auto link = dial();
  link.send(script("trap 'echo bye; exit 0' TERM; echo > up; while :; do sleep 0.01; done"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/up"); }));
  ASSERT_TRUE(os::signal(shim.pidfd, SIGTERM));
  EXPECT_EQ(link.wait(ShimState::exited).exit_code, 0);
  EXPECT_EQ(wait_for_end().code, 0);
  EXPECT_EQ(lines(), std::vector<std::string>{"o bye"});
}

TEST_F(Shim, AFullDiskDropsLinesAndCountsThemButDoesNotBlock) {
  start();
  auto link = dial();
  // The log may grow to 20000 bytes only; raised again while the program waits.
  const rlimit small{20000, RLIM_INFINITY}, large{RLIM_INFINITY, RLIM_INFINITY};
  ASSERT_EQ(::prlimit(shim.pid, RLIMIT_FSIZE, &small, nullptr), 0);
  auto launch = script("seq 1 100000; echo > written; while [ ! -e go ]; do sleep 0.01; done; echo after");
  link.send(launch);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/written"); }));
  ASSERT_EQ(::prlimit(shim.pid, RLIMIT_FSIZE, &large, nullptr), 0);
  ASSERT_TRUE(os::write_file(dir + "/go", ""));
  link.wait(ShimState::exited);
  const auto got = lines();
  ASSERT_GT(got.size(), 100u);
  std::size_t numbers = 0, dropped = 0;
  for (const auto& line : got) {
    std::smatch match;
    if (std::regex_match(line, std::regex("o [0-9]+"))) ++numbers;
    if (std::regex_match(line, match, std::regex("e fleet-shim: ([0-9]+) lines were dropped: file too large"))) {
      dropped += std::stoul(match[1]);
    }
  }
  EXPECT_GT(dropped, 50000u);  // all but what still was in the pipe
  EXPECT_EQ(numbers + dropped, 100000u);
  EXPECT_EQ(got.back(), "o after");
}

TEST_F(Shim, D7_AFullLogDiskDropsLinesAndSaysHowManyOnceThereIsRoomAgain) {
  const auto disk = dir + "/disk";
  std::filesystem::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=128k") != 0) GTEST_SKIP() << "only root may mount";
  log = disk + "/log";
  start();
  auto link = dial();
  auto launch = script("seq 1 100000; echo > ../written; while [ ! -e ../go ]; do sleep 0.01; done; echo after");
  launch.cwd = disk;
  link.send(launch);
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/written"); })) << "the program was blocked";
  const auto full = lines();
  std::filesystem::remove(log);
  EXPECT_TRUE(os::write_file(dir + "/go", ""));
  link.wait(ShimState::exited);
  const auto got = lines();
  link.send(wire::Dismiss{});
  wait_for_end();
  EXPECT_EQ(::umount(disk.c_str()), 0);
  ASSERT_GT(full.size(), 100u);
  EXPECT_EQ(full[99], "o 100");
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back(), "o after");
  std::smatch match;
  ASSERT_TRUE(std::regex_match(got.front(), match, std::regex("e fleet-shim: ([0-9]+) lines were dropped: no space left on device")))
      << got.front();
  EXPECT_EQ(full.size() + std::stoul(match[1]) + got.size() - 2, 100000u);
}

// What has been sent to a journal so far.
std::vector<std::string> datagrams(const os::Fd& journal) {
  std::vector<std::string> all;
  char buffer[32 << 10];
  for (ssize_t got = 0; (got = ::recv(journal.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
    all.emplace_back(buffer, static_cast<std::size_t>(got));
  }
  return all;
}

TEST_F(Shim, SendsLinesToTheJournalTooWhereThatIsWanted) {
  const auto journal = os::bind_unix_datagram(dir + "/journal", 0600).value();
  start();
  auto link = dial();
  auto launch = script("echo hello; echo oops >&2");
  launch.journal = "SYSLOG_IDENTIFIER=shop\nFLEET_INSTANCE=shop-v1-1\n";
  launch.journal_socket = dir + "/journal";
  link.send(launch);
  link.wait(ShimState::exited);
  const std::string fields = launch.journal;
  auto sent = datagrams(journal);
  std::ranges::sort(sent);
  EXPECT_EQ(sent, (std::vector{fields + "PRIORITY=4\nMESSAGE=oops\n", fields + "PRIORITY=6\nMESSAGE=hello\n"}));
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(Shim, D7_AJournalThatNobodyReadsLosesLinesAndTheLogSaysHowMany) {
  const auto journal = os::bind_unix_datagram(dir + "/journal", 0600).value();
  start();
  auto link = dial();
  auto launch = script("seq 1 2000; echo > written; while [ ! -e go ]; do sleep 0.01; done; echo after");
  launch.journal = "SYSLOG_IDENTIFIER=shop\n";
  launch.journal_socket = dir + "/journal";
  link.send(launch);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/written"); })) << "the program was blocked";
  ASSERT_TRUE(eventually([&] { return lines().size() == 2000; }));
  auto sent = datagrams(journal).size();
  ASSERT_TRUE(os::write_file(dir + "/go", ""));
  link.wait(ShimState::exited);
  sent += datagrams(journal).size();
  const auto got = lines();
  ASSERT_EQ(got.size(), 2002u);
  std::smatch match;
  const auto told = std::ranges::find_if(got, [&](const auto& line) { return line.starts_with("e fleet-shim"); });
  ASSERT_TRUE(told != got.end() && std::regex_match(*told, match, std::regex("e fleet-shim: ([0-9]+) lines did not reach the "
                                                                            "journal: resource temporarily unavailable")));
  EXPECT_EQ(sent + std::stoul(match[1]), 2001u);
}

TEST_F(Shim, AProgramRunsOnWhenItsLogCannotBeOpened) {
  start();
  auto link = dial();
  auto launch = script("seq 1 100000; exit 4");
  launch.log_file = dir + "/none/log";
  link.send(launch);
  EXPECT_EQ(link.wait(ShimState::exited).exit_code, 4);
}

TEST_F(Shim, GoesOnInANewFileWhenTheLogWasRemoved) {
  start();
  auto link = dial();
  link.send(script("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two"));
  ASSERT_TRUE(eventually([&] { return !lines().empty(); }));
  std::filesystem::remove(log);
  ASSERT_TRUE(os::write_file(dir + "/go", ""));
  link.wait(ShimState::exited);
  EXPECT_EQ(lines(), std::vector<std::string>{"o two"});
}

TEST_F(Shim, WeighsLessThanAMegabyte) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "sanitizers weigh more";
#endif
  start();
  auto link = dial();
  link.send(script("seq 1 100000; echo > written; while :; do sleep 1; done"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir + "/written"); }));
  const auto text = os::read_file("/proc/" + std::to_string(shim.pid) + "/smaps_rollup", 4096).value();
  std::smatch match;
  ASSERT_TRUE(std::regex_search(text, match, std::regex("\\nPss: +([0-9]+) kB"))) << text;
  EXPECT_LT(std::stoul(match[1]), 1024u) << text;
}

TEST_F(Shim, RefusesToRunWithoutItsSocket) {
  os::Spawn what;
  what.argv = {FLEET_BIN_DIR "/fleet-shim"};
  auto started = os::spawn(what);
  ASSERT_TRUE(started);
  shim = std::move(*started);
  EXPECT_EQ(wait_for_end().code, 2);
}

}  // namespace
}  // namespace fleet
