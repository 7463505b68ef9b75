#include "sandbox.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>

#include "os/fd.hpp"
#include "os/sanitized.hpp"

namespace fleet::fetch {
namespace {

using os::kSanitized;  // whose runtime traces its own process and reserves terabytes of address space

constexpr rlim_t kAddressSpace = 4ull << 30;  // an xz archive may ask for a dictionary of 1.5 GiB

class Filter {
 public:
  // All is allowed but what is denied: name service modules may need what nobody foresaw.
  Filter() : context_(seccomp_init(SCMP_ACT_ALLOW), seccomp_release) {}

  void deny(std::initializer_list<const char*> calls, int error_number = EPERM) {
    for (const char* call : calls) {
      const int number = seccomp_syscall_resolve_name(call);
      if (number != __NR_SCMP_ERROR) note(seccomp_rule_add(context_.get(), errors(error_number), number, 0));
    }
  }
  void deny_if(int number, const scmp_arg_cmp& condition) {
    note(seccomp_rule_add(context_.get(), errors(EPERM), number, 1, condition));
  }

  Result<> load() {
    note(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1));  // a resolver's thread may still be there
    if (failed_ == 0) failed_ = seccomp_load(context_.get());
    if (failed_ != 0) return fail_errno("cannot install the system call filter", -failed_);
    return {};
  }

 private:
  static std::uint32_t errors(int error_number) { return SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error_number)); }
  void note(int code) {
    if (code < 0 && failed_ == 0) failed_ = code;
  }

  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  int failed_ = 0;
};

void deny_other_socket_families(Filter& filter) {
  // One rule denies what lies below the first, between two, or above the last of those allowed.
  std::initializer_list<int> allowed = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
  const int highest = *std::max_element(allowed.begin(), allowed.end());
  for (int family = 0; family < highest; ++family) {
    if (std::find(allowed.begin(), allowed.end(), family) != allowed.end()) continue;
    filter.deny_if(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)));
  }
  filter.deny_if(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, static_cast<scmp_datum_t>(highest)));
}

bool set_limit(int which, rlim_t value) {
  rlimit now{};
  ::getrlimit(static_cast<__rlimit_resource_t>(which), &now);
  now.rlim_cur = now.rlim_max = std::min(value, now.rlim_max);
  return ::setrlimit(static_cast<__rlimit_resource_t>(which), &now) == 0;
}

}  // namespace

Result<> give_up_privileges() {
  ::umask(077);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (!kSanitized) ::prctl(PR_SET_DUMPABLE, 0);
  if (!set_limit(RLIMIT_CORE, 0)) return fail_errno("cannot turn core files off", errno);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("cannot renounce new privileges", errno);
  return {};
}

Result<> become(std::uint32_t uid, std::uint32_t gid) {
  if (uid != 0 && ::geteuid() == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0) {
      return fail_errno("cannot become user " + std::to_string(uid), errno);
    }
    if (!kSanitized) ::prctl(PR_SET_DUMPABLE, 0);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // another user's processes lose it
  return {};
}

Result<> confine_files(int root) {
  if (kSanitized) return {};
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 2) return {};
  constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  constexpr std::uint64_t kTruncate = 1ull << 14;  // since version 3
  const auto all = (LANDLOCK_ACCESS_FS_REFER << 1) - 1 + (version >= 3 ? kTruncate : 0);
  landlock_ruleset_attr wanted{};
  wanted.handled_access_fs = all;
  const os::Fd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, sizeof wanted, 0)));
  if (!rules) return fail_errno("cannot confine files", errno);
  const auto allow = [&](int place, std::uint64_t access) {
    landlock_path_beneath_attr rule{};
    rule.allowed_access = access;
    rule.parent_fd = place;
    return ::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  };
  const auto readable = [&](const char* path) {
    const os::Fd place(path ? ::open(path, O_PATH | O_CLOEXEC) : -1);
    struct stat is {};
    if (!place || ::fstat(place.get(), &is) != 0) return true;  // nothing to be read
    return allow(place.get(), S_ISDIR(is.st_mode) ? kRead : LANDLOCK_ACCESS_FS_READ_FILE);
  };
  bool done = true;
  // Libraries, certificates, and what name look-ups read.
  for (const char* path : {"/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
                           "/var/lib/ca-certificates", "/dev/null", "/dev/urandom", "/sys/devices/system/cpu"}) {
    done = readable(path) && done;
  }
  for (const char* variable : {"SSL_CERT_FILE", "SSL_CERT_DIR"}) done = readable(std::getenv(variable)) && done;
  constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                   LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SOCK;
  if (root >= 0) done = allow(root, all & ~kNever) && done;
  if (!done || ::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return fail_errno("cannot confine files", errno);
  return {};
}

Result<> limit_resources(std::uint64_t largest_file) {
  if (!set_limit(RLIMIT_FSIZE, largest_file) || !set_limit(RLIMIT_NOFILE, 256) ||
      !(kSanitized || set_limit(RLIMIT_AS, kAddressSpace))) {
    return fail_errno("cannot limit resources", errno);
  }
  return {};
}

Result<> deny_dangerous_calls() {
  if (kSanitized) return {};
  Filter filter;
  filter.deny({"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
               "process_madvise", "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "kcmp"});
  filter.deny({"mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "fspick", "mount_setattr",
               "pivot_root", "chroot", "unshare", "setns", "mknod", "mknodat"});
  filter.deny({"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
               "add_key", "request_key", "keyctl", "name_to_handle_at", "open_by_handle_at", "personality"});
  filter.deny({"kexec_load",   "kexec_file_load", "init_module", "finit_module",  "delete_module", "reboot",
               "swapon",       "swapoff",         "quotactl",    "quotactl_fd",   "acct",          "syslog",
               "settimeofday", "clock_settime",   "adjtimex",    "clock_adjtime", "sethostname",   "setdomainname",
               "iopl",         "ioperm",          "setuid",      "setgid",        "setreuid",      "setregid",
               "setresuid",    "setresgid",       "setgroups",   "capset"});
  filter.deny({"listen", "accept", "accept4"});
  // Its flags lie in memory, where a filter cannot see them; told that there is no clone3, glibc takes clone.
  filter.deny({"clone3"}, ENOSYS);
  filter.deny_if(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  deny_other_socket_families(filter);
  return filter.load();
}

Result<> deny_network() {
  if (kSanitized) return {};
  Filter filter;
  filter.deny({"socket", "socketpair", "connect", "bind", "clone", "fchdir", "chdir"});
  return filter.load();
}

}  // namespace fleet::fetch
