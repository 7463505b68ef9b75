#include "support/strace.hpp"

#include <signal.h>

#include <stdexcept>

namespace fleet::test {
namespace {

std::vector<std::string> command(pid_t pid, const std::string& injection, bool children) {
  const auto calls = injection.substr(0, injection.find(':'));
  std::vector<std::string> argv = {"strace", "-p", std::to_string(pid), "-o", "/dev/null", "-e", "trace=" + calls,
                                   "-e",     "inject=" + injection};
  if (children) argv.push_back("-f");
  return argv;
}

bool is_traced(pid_t pid) {
  const auto status = read_whole("/proc/" + std::to_string(pid) + "/status");
  return status.find("TracerPid:") != std::string::npos && status.find("TracerPid:\t0\n") == std::string::npos;
}

}  // namespace

Strace::Strace(pid_t pid, const std::string& injection, bool children)
    : strace_(command(pid, injection, children), {}, "", "") {
  if (!eventually(milliseconds(5000), [&] { return is_traced(pid); })) throw std::runtime_error("strace: " + injection);
}

void Strace::end() {
  strace_.signal(SIGTERM);
  strace_.wait(milliseconds(10000));
}

}  // namespace fleet::test
