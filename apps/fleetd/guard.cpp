#include "guard.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "os/atomic_file.hpp"
#include "os/process.hpp"
#include "os/unix_socket.hpp"

namespace fleet {
namespace {

constexpr int kBetweenLooks = 100;  // ms
constexpr const char* kBack = "FLEETD_BACK_BY_GUARD";

void pause_for(int ms) { ::poll(nullptr, 0, ms); }

// With the arguments that it was started with.
[[noreturn]] void become_again() {
  auto text = os::read_file("/proc/self/cmdline", 1u << 20).value_or("");
  std::vector<char*> argv;
  for (std::size_t at = 0; at < text.size(); at = text.find('\0', at) + 1) {
    argv.push_back(text.data() + at);
    if (text.find('\0', at) == std::string::npos) break;
  }
  argv.push_back(nullptr);
  ::setenv(kBack, "1", 1);
  ::execv("/proc/self/exe", argv.data());
  ::_exit(127);
}

// Only the watched process and the standard streams are left of what was open.
[[noreturn]] void watch(const os::Fd& process, const std::string& api_socket) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  ::prctl(PR_SET_NAME, "fleetd-guard");
  const auto kept = static_cast<unsigned>(::dup2(process.get(), 3));
  ::close_range(kept + 1, ~0u, 0);
  pollfd end{static_cast<int>(kept), POLLIN, 0};
  if (::poll(&end, 1, Guard::kWatches) != 1) ::_exit(0);
  for (int waited = 0; waited < Guard::kWaits; waited += kBetweenLooks) {
    const bool as_told = ::access(api_socket.c_str(), F_OK) != 0;
    if (as_told || os::connect_unix(api_socket)) ::_exit(0);
    pause_for(kBetweenLooks);
  }
  ::close(static_cast<int>(kept));
  become_again();
}

}  // namespace

Result<Guard> Guard::leave(const std::string& api_socket) {
  if (std::getenv("NOTIFY_SOCKET")) return Guard();
  TRY(const auto self, os::open_pidfd(::getpid(), os::start_time_of(::getpid())));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("cannot leave a guard", errno);
  const os::Fd read_end(ends[0]);
  os::Fd write_end(ends[1]);
  Guard guard;
  guard.pid_ = ::fork();
  if (guard.pid_ == 0) watch(self, api_socket);
  if (guard.pid_ < 0) return fail_errno("cannot leave a guard", errno);
  // Until it has let go of all that was open here, the lock on the state directory for example.
  write_end.reset();
  char none = 0;
  while (::read(read_end.get(), &none, 1) < 0 && errno == EINTR) {
  }
  return guard;
}

void Guard::dismiss() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool is_back_by_guard() {
  const bool is = std::getenv(kBack) != nullptr;
  ::unsetenv(kBack);
  return is;
}

}  // namespace fleet
