#include "os/crash.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

namespace fleet::os {
namespace {

[[noreturn]] void crash_by(int number) {
  report_crashes("it");
  ::raise(number);
  std::_Exit(0);
}

TEST(Crashes, SayWhichSignalItWasAndWhereAndEndTheProgramAsEver) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer tells more";
#else
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(crash_by(SIGSEGV), ::testing::KilledBySignal(SIGSEGV), "it crashed: SIGSEGV\n.*integration-fleetd");
  EXPECT_EXIT(crash_by(SIGBUS), ::testing::KilledBySignal(SIGBUS), "it crashed: SIGBUS\n");
  EXPECT_EXIT(
      {
        report_crashes("it");
        std::abort();
      },
      ::testing::KilledBySignal(SIGABRT), "it crashed: SIGABRT\n");
#endif
}

}  // namespace
}  // namespace fleet::os
