#include "assets/confine.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "os/fd.hpp"
#include "os/sanitized.hpp"

namespace fleet::proxy::assets {
namespace {

using os::kSanitized;  // whose runtime needs more than is left

constexpr const char* kAllowed[] = {
    // jobs and answers
    "recvmsg", "sendto", "sendfile", "sendfile64", "poll", "ppoll", "read", "write", "shutdown", "close",
    // files
    "openat2", "fstat", "newfstatat", "statx",
    // threads, memory, time
    "futex", "mmap", "munmap", "mremap", "madvise", "mprotect", "brk", "sched_yield", "clock_gettime", "gettimeofday",
    "restart_syscall", "gettid", "getpid", "set_robust_list", "rseq",
    // the end, and how it is told
    "exit", "exit_group", "rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "sigaltstack", "tgkill"};

bool set_limit(__rlimit_resource which, rlim_t value) {
  rlimit limit{};
  ::getrlimit(which, &limit);
  limit.rlim_cur = limit.rlim_max = std::min(value, limit.rlim_max);
  return ::setrlimit(which, &limit) == 0;
}

bool drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return ::syscall(SYS_capset, &header, none) == 0;
}

Result<> read_only_below(const std::string& folder) {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return {};
  constexpr std::uint64_t kTruncate = 1ull << 14;  // since version 3
  landlock_ruleset_attr wanted{};
  wanted.handled_access_fs = LANDLOCK_ACCESS_FS_REFER - 1 + (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) +
                             (version >= 3 ? kTruncate : 0);
  const os::Fd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, sizeof wanted, 0)));
  const os::Fd place(::open(folder.empty() ? "/" : folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!rules || !place) return fail_errno("cannot confine files to " + folder, errno);
  landlock_path_beneath_attr rule{};
  rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
  rule.parent_fd = place.get();
  if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0 ||
      ::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    return fail_errno("cannot confine files", errno);
  }
  return {};
}

}  // namespace

Result<> confine_files(const std::string& releases, unsigned descriptors) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("cannot give up new privileges", errno);
  if (kSanitized) return {};
  ::prctl(PR_SET_DUMPABLE, 0);
  if (!set_limit(RLIMIT_CORE, 0) || !set_limit(RLIMIT_FSIZE, 0) || !set_limit(RLIMIT_NOFILE, descriptors)) {
    return fail_errno("cannot limit resources", errno);
  }
  if (!drop_capabilities()) return fail_errno("cannot give up capabilities", errno);
  return read_only_below(releases);
}

Result<> allow_serving_only() {
  if (kSanitized) return {};
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), seccomp_release);
  if (!filter) return fail("cannot make a seccomp filter");
  if (seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1) != 0) return fail("cannot confine every thread");
  for (const char* call : kAllowed) {
    const int number = seccomp_syscall_resolve_name(call);
    if (number == __NR_SCMP_ERROR) continue;
    if (const int error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0); error != 0) {
      return fail_errno("cannot fill the seccomp filter", -error);
    }
  }
  if (const int error = seccomp_load(filter.get()); error != 0) return fail_errno("cannot load the seccomp filter", -error);
  return {};
}

}  // namespace fleet::proxy::assets
