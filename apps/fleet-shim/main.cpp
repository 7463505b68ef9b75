// fleet-shim: the small parent of one long-lived process.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "shim.hpp"

namespace {

using namespace fleet;

constexpr int kListener = 3;

// Nothing that happens to fleetd, a terminal or a full disk may end us.
Result<os::Fd> take_signals() {
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM}) {
    std::signal(number, SIG_IGN);
  }
  std::signal(SIGCHLD, SIG_DFL);
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  ::sigaddset(&wanted, SIGTERM);
  ::sigprocmask(SIG_SETMASK, &wanted, nullptr);
  os::Fd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno("cannot make a signalfd", errno);
  return fd;
}

Result<os::Fd> take_listener() {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(kListener, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
    return fail(ErrorKind::usage, "descriptor 3 is not a listening socket (fleetd starts this program)");
  }
  os::Fd fd(kListener);
  if (::fcntl(kListener, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(kListener, F_SETFL, O_NONBLOCK) != 0) {
    return fail_errno("cannot use descriptor 3", errno);
  }
  return fd;
}

Result<> become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return fail_errno("cannot become a subreaper", errno);
  return {};
}

Result<> run(const shim::Options& options) {
  TRY(auto listener, take_listener());
  TRY(auto signals, take_signals());
  TRYV(become_subreaper());
  shim::Shim(options, std::move(listener), std::move(signals)).run();
  return {};
}

int report(const Error& error) {
  std::fprintf(stderr, "fleet-shim: %s\n", error.text.c_str());
  return error.kind == ErrorKind::usage ? 2 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = shim::parse_options({argv + 1, argv + std::max(argc, 1)});
  if (!options) return report(options.error());
  if (options->help) return std::fputs(shim::kHelp, stdout) < 0;
  if (options->version) return std::puts("fleet-shim " FLEET_VERSION) < 0;
  const auto ran = run(*options);
  return ran ? 0 : report(ran.error());
}
