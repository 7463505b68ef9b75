#include "sandbox.hpp"

#include <openssl/ssl.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <ctime>
#include <initializer_list>
#include <memory>

namespace fleet::proxy {
namespace {

constexpr std::initializer_list<int> kForbidden = {SCMP_SYS(open),
                                                   SCMP_SYS(openat),
                                                   SCMP_SYS(openat2),
                                                   SCMP_SYS(creat),
                                                   SCMP_SYS(open_by_handle_at),
                                                   SCMP_SYS(execve),
                                                   SCMP_SYS(execveat),
                                                   SCMP_SYS(fork),
                                                   SCMP_SYS(vfork),
                                                   SCMP_SYS(clone),
                                                   SCMP_SYS(clone3),
                                                   SCMP_SYS(bind),
                                                   SCMP_SYS(listen),
                                                   SCMP_SYS(ptrace),
                                                   SCMP_SYS(process_vm_readv),
                                                   SCMP_SYS(process_vm_writev),
                                                   SCMP_SYS(pidfd_open),
                                                   SCMP_SYS(pidfd_getfd),
                                                   SCMP_SYS(pidfd_send_signal),
                                                   SCMP_SYS(tkill),
                                                   SCMP_SYS(mount),
                                                   SCMP_SYS(umount2),
                                                   SCMP_SYS(pivot_root),
                                                   SCMP_SYS(chroot),
                                                   SCMP_SYS(unshare),
                                                   SCMP_SYS(setns),
                                                   SCMP_SYS(setuid),
                                                   SCMP_SYS(setgid),
                                                   SCMP_SYS(setresuid),
                                                   SCMP_SYS(setresgid),
                                                   SCMP_SYS(capset),
                                                   SCMP_SYS(unlink),
                                                   SCMP_SYS(unlinkat),
                                                   SCMP_SYS(rename),
                                                   SCMP_SYS(renameat),
                                                   SCMP_SYS(renameat2),
                                                   SCMP_SYS(mkdir),
                                                   SCMP_SYS(mkdirat),
                                                   SCMP_SYS(symlink),
                                                   SCMP_SYS(symlinkat),
                                                   SCMP_SYS(link),
                                                   SCMP_SYS(linkat),
                                                   SCMP_SYS(chmod),
                                                   SCMP_SYS(fchmodat),
                                                   SCMP_SYS(chown),
                                                   SCMP_SYS(bpf),
                                                   SCMP_SYS(perf_event_open),
                                                   SCMP_SYS(keyctl),
                                                   SCMP_SYS(add_key),
                                                   SCMP_SYS(request_key),
                                                   SCMP_SYS(init_module),
                                                   SCMP_SYS(finit_module),
                                                   SCMP_SYS(kexec_load),
                                                   SCMP_SYS(io_uring_setup),
                                                   SCMP_SYS(userfaultfd)};

// What opens files only the first time it is used is used now.
void touch_lazy_files() {
  OPENSSL_init_ssl(0, nullptr);
  ::tzset();
}

}  // namespace

Result<> confine() {
  touch_lazy_files();
  const rlimit none{};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("cannot give up new privileges", errno);
#ifdef __SANITIZE_ADDRESS__
  return {};  // the leak check at exit needs a process of its own
#endif
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
  if (!filter) return fail("cannot make a seccomp filter");
  // Of the threads there are, too: the one that writes logs.
  if (seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1) != 0) return fail("cannot confine every thread");
  for (const int call : kForbidden) {
    if (const int error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0); error != 0) {
      return fail_errno("cannot fill the seccomp filter", -error);
    }
  }
  if (const int error = seccomp_load(filter.get()); error != 0)
    return fail_errno("cannot load the seccomp filter", -error);
  return {};
}

}  // namespace fleet::proxy
