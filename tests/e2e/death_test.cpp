// fleetd is killed at points of everything that it does, under load; its successor finishes or undoes what was under way:
// at every transaction, just before it is on disk and just after (A1), and as it enters a system call (A2).
#include <signal.h>

#include <future>

#include "expect.hpp"
#include "support/strace.hpp"

namespace fleet::test {
namespace {

class Dying : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet.start();
    for (const auto* version : {"v1", "v2"}) ASSERT_TRUE(ended(fleet.deploy({version}), kDone));
    traffic.emplace(fleet, TrafficSetup{.keep_alive = 6, .per_request = 2, .rate = 250});
    traffic->flow(100);
  }

  // Does `what` with a fleetd that is to die meanwhile, and looks at what its successor makes of it. True: it did not die.
  // `tracer`: what is to kill it; ended first, for a parent hears of a traced child's death only from there.
  bool outlives(const std::string& what, Strace* tracer = nullptr) {
    const auto version = "v" + std::to_string(++versions_ + 2);
    auto command = std::async(std::launch::async, [&] {
      return what == "deploy" ? fleet.deploy({version}) : fleet.ctl({what});
    });
    // The command outlives fleetd, and sees the end of what it asked for.
    const auto is_over = [&] { return command.wait_for(milliseconds(0)) == std::future_status::ready; };
    EXPECT_TRUE(eventually(milliseconds(30000), [&] { return !fleet.daemon().running() || is_over(); }));
    // A command that has no answer yet when fleetd dies may end sooner than fleetd is seen to be gone.
    std::optional<Ran> early;
    if (is_over()) early = command.get();
    const bool answered = !early || early->code == kDone;
    // Asked again and again: a traced child that has died is one only when its tracer knows.
    const auto is_dead = [&] { return !fleet.daemon().running(); };
    const bool outlived = answered ? !is_dead() : !eventually(milliseconds(2000), is_dead);
    if (tracer) tracer->end();
    if (!outlived) {
      ++died;
      EXPECT_EQ(fleet.daemon().wait(milliseconds(0)), 128 + SIGKILL) << fleet.daemon_log();
    } else {
      fleet.kill();  // it might yet die at a point that follows the command's end
    }
    fleet.start();
    const auto ran = early ? *early : command.get();
    EXPECT_TRUE(eventually(milliseconds(30000), [&] { return bool(settled(fleet)); })) << settled(fleet).message();
    EXPECT_EQ(servers_running(), 2u);
    const auto release = fleet.app().at("release").get<std::uint64_t>();
    const auto seen = fleet.app();
    for (const auto& instance : seen.at("instances")) EXPECT_EQ(instance.at("release"), release);
    // What was acknowledged is there, whatever died since.
    if (what == "deploy" && ran.code == kDone) {
      EXPECT_TRUE(serves(fleet, version));
    }
    EXPECT_EQ(traffic->progress().failed, 0u);
    if (outlived) {
      EXPECT_TRUE(ended(ran, kDone));
    }
    return outlived;
  }

  void finish() {
    fleet.kill();
    fleet.start();
    EXPECT_TRUE(ended(fleet.deploy({"end"}), kDone));
    EXPECT_TRUE(serves(fleet, "end"));
    EXPECT_TRUE(lossless(traffic->stop(500), {"end"}));
    EXPECT_EQ(servers_running(), 2u);
  }

  bool answers() const {
    const auto response = fetch(fleet.api(), "GET", "/healthz");
    return response && response->status == 200;
  }

  Fleet fleet;
  std::optional<Traffic> traffic;
  unsigned died = 0;

 private:
  unsigned versions_ = 0;
};

// ---- at a transaction

enum class When { before, after };

class DiesAtSave : public Dying, public ::testing::WithParamInterface<When> {
 protected:
  // A fleetd that dies at its first save, one that dies at its second, and so on, until one outlives `what`.
  void walk(const std::string& what) {
    for (unsigned save = 1; !HasFailure(); ++save) {
      SCOPED_TRACE("save " + std::to_string(save));
      fleet.kill();
      fleet.launch({{"FLEETD_DIE_AT_SAVE", std::to_string(save) + (GetParam() == When::after ? "+" : "")}});
      ASSERT_TRUE(eventually(milliseconds(15000), [&] { return !fleet.daemon().running() || answers(); }));
      if (outlives(what)) break;
    }
    EXPECT_GE(died, 10u);
    std::printf("died at %u saves\n", died);
    finish();
  }
};

TEST_P(DiesAtSave, OfADeploy) { walk("deploy"); }
TEST_P(DiesAtSave, OfARollback) { walk("rollback"); }
TEST_P(DiesAtSave, OfARestart) { walk("restart"); }

INSTANTIATE_TEST_SUITE_P(, DiesAtSave, ::testing::Values(When::before, When::after),
                         [](const auto& the) { return std::string(the.param == When::before ? "Before" : "After"); });

// ---- at a system call

// What leaves a trace in files, in other processes, or in the kernel.
constexpr const char* kCalls[] = {"openat", "pwrite64", "write",   "fsync",    "fdatasync", "rename",           "unlink",
                                  "close",  "clone",    "connect", "sendmsg", "recvmsg",   "pidfd_send_signal", "waitid"};

class DiesAtCall : public Dying {
 protected:
  // Each call's first time, and every so many further: FLEET_EVERY=1 dies at all of them.
  void walk(const std::string& what, unsigned every) {
    every = every_or(every);
    unsigned outlived = 0;
    for (const auto* call : kCalls) {
      for (unsigned n = 1; !HasFailure(); n += every) {
        SCOPED_TRACE(std::string(call) + " " + std::to_string(n));
        Strace killer(fleet.pid(), std::string(call) + ":signal=KILL:when=" + std::to_string(n));
        const bool lives = outlives(what, &killer);
        outlived += lives ? 1 : 0;
        if (lives) break;
      }
    }
    EXPECT_EQ(outlived, std::size(kCalls)) << "of each call there is a last one";
    EXPECT_GE(died, std::size(kCalls) / 2);
    std::printf("died at %u system calls\n", died);
    finish();
  }
};

TEST_F(DiesAtCall, OfADeploy) { walk("deploy", 24); }
TEST_F(DiesAtCall, OfARollback) { walk("rollback", 48); }
TEST_F(DiesAtCall, OfARestart) { walk("restart", 48); }

}  // namespace
}  // namespace fleet::test
