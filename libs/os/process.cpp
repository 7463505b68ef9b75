#include "os/process.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/atomic_file.hpp"
#include "os/process_tree.hpp"

namespace fleet::os {
namespace {

Result<std::optional<Ended>> wait_now(idtype_t kind, int id) {
  siginfo_t info{};
  rusage usage{};
  // The system call itself: unlike the library's waitid it also gives the resource usage.
  if (::syscall(SYS_waitid, kind, id, &info, WEXITED | WNOHANG, &usage) != 0) {
    return fail_errno("cannot wait for process", errno);
  }
  if (info.si_pid == 0) return std::optional<Ended>();
  Ended ended{info.si_pid, {}};
  const bool exited = info.si_code == CLD_EXITED;
  ended.status.signal = exited ? 0 : info.si_status;
  ended.status.code = exited ? info.si_status : 128 + info.si_status;
  ended.status.max_rss_kib = static_cast<std::uint64_t>(usage.ru_maxrss);
  for (const timeval& part : {usage.ru_utime, usage.ru_stime}) {
    ended.status.cpu_time += std::chrono::milliseconds(part.tv_sec * 1000 + part.tv_usec / 1000);
  }
  return std::optional(ended);
}

}  // namespace

std::uint64_t start_time_of(pid_t pid) {
  const auto entry = process_entry(pid);
  return entry ? entry->start_time : 0;
}

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id", 64).value_or("");
    std::erase(text, '\n');
    return text;
  }();
  return id;
}

Result<Fd> open_pidfd(pid_t pid, std::uint64_t start_time) {
  // By number, here and below: <sys/pidfd.h> of glibc 2.36 declares the wrappers without C linkage.
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd && errno != ESRCH && errno != EINVAL) return fail_errno("cannot open process " + std::to_string(pid), errno);
  // Only now: whoever the pidfd refers to, the pid cannot have changed hands between opening and a match here.
  if (!fd || start_time == 0 || start_time_of(pid) != start_time) {
    return fail(ErrorKind::not_found, "no such process: " + std::to_string(pid));
  }
  return fd;
}

Result<> signal(const Fd& pidfd, int signal_number) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal_number, nullptr, 0) == 0) return {};
  auto error = fail_errno("cannot signal process", errno);
  if (errno == ESRCH) error.error().kind = ErrorKind::not_found;
  return error;
}

Result<std::optional<ExitStatus>> reap(const Fd& pidfd) {
  TRY(const auto ended, wait_now(P_PIDFD, pidfd.get()));
  return ended ? std::optional(ended->status) : std::nullopt;
}

std::optional<Ended> reap_any() { return wait_now(P_ALL, 0).value_or(std::nullopt); }

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

}  // namespace fleet::os
