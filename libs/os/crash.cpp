#include "os/crash.hpp"

#include <execinfo.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

#include "os/sanitized.hpp"

namespace fleet::os {
namespace {

struct Crash {
  int number;
  std::string_view name;
};
constexpr std::array<Crash, 5> kCrashes = {
    {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGFPE, "SIGFPE"}, {SIGABRT, "SIGABRT"}}};

const char* program = "";
alignas(16) std::array<char, 64 * 1024> stack;  // where there is none left

void say(std::string_view text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

// The handler is gone by now: the signal that is pending from then on ends the program when this returns, and where it may
// not be sent, what caused the first one does.
void tell(int number) {
  say(program);
  say(" crashed: ");
  for (const auto& crash : kCrashes) {
    if (crash.number == number) say(crash.name);
  }
  say("\n");
  std::array<void*, 48> called{};
  ::backtrace_symbols_fd(called.data(), ::backtrace(called.data(), called.size()), STDERR_FILENO);
  ::raise(number);
}

}  // namespace

void report_crashes(const char* name) {
  if (kSanitized) return;
  program = name;
  void* first = nullptr;
  ::backtrace(&first, 1);  // loads what it needs, which a handler must not
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  ::sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = tell;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_ONSTACK);
  for (const auto& crash : kCrashes) ::sigaction(crash.number, &action, nullptr);
}

}  // namespace fleet::os
