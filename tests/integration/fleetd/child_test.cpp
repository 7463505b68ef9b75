#include "child.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "os/process_tree.hpp"
#include "run.hpp"

namespace fleet {
namespace {

Result<os::ExitStatus> run(std::vector<std::string> argv, milliseconds timeout = milliseconds(10'000)) {
  net::asio::io_context io(1);
  os::Spawn spawn;
  spawn.argv = std::move(argv);
  spawn.cwd = "/";
  return test::run(io, run_child(io, std::move(spawn), timeout));
}

TEST(Child, ToldHowItEnded) {
  EXPECT_EQ(run({"/bin/sh", "-c", "exit 7"})->code, 7);
  EXPECT_EQ(run({"/bin/sh", "-c", "kill -SEGV $$"})->signal, SIGSEGV);
}

TEST(Child, ThatCannotBeStartedIsAnError) { EXPECT_FALSE(run({"/no/such/program"})); }

TEST(Child, ThatTakesTooLongIsKilledWithWhatItHasStarted) {
  const auto place = std::filesystem::temp_directory_path() / ("fleetd-child-" + std::to_string(::getpid()));
  const auto result = run({"/bin/sh", "-c", "sleep 1000 & echo $! > " + place.string() + "; wait"}, milliseconds(300));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text, "did not end within 300ms");
  pid_t grandchild = 0;
  std::ifstream(place) >> grandchild;
  std::filesystem::remove(place);
  ASSERT_GT(grandchild, 0);
  // The signal is on its way when kill(2) returns; the process is gone or a zombie soon after.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  auto entry = os::process_entry(grandchild);
  while (entry && !entry->zombie && std::chrono::steady_clock::now() < until) entry = os::process_entry(grandchild);
  EXPECT_TRUE(!entry || entry->zombie);
}

TEST(Child, LeavesNoZombie) {
  (void)run({"/bin/true"});
  (void)run({"/bin/sleep", "1000"}, milliseconds(20));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace fleet
