#include "os/mounts.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace fleet::os {
namespace {

constexpr unsigned long kRecursiveSlave = 0x4000 | 0x80000;  // MS_REC | MS_SLAVE; <sys/mount.h> clashes with the kernel's

// The system calls themselves, some of which the C library does not have.
int open_clone(const char* path, unsigned flags) {
  return static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
}

bool set_attributes(int fd, const char* path, unsigned flags, std::uint64_t attributes) {
  mount_attr wanted{};
  wanted.attr_set = attributes;
  return ::syscall(SYS_mount_setattr, fd, path, flags, &wanted, sizeof wanted) == 0;
}

// What is unmounted outside is unmounted inside, too; nothing goes the other way.
bool leave_namespace() {
  return ::unshare(CLONE_NEWNS) == 0 && ::syscall(SYS_mount, nullptr, "/", nullptr, kRecursiveSlave, nullptr) == 0;
}

}  // namespace

Mounts::Mounts(const Confinement& confined) : read_only_(confined.read_only) {
  if (read_only_) {
    for (const auto* path : {"/dev", "/proc"}) kept_.push_back({path, path});
    for (const auto& path : confined.writable) kept_.push_back({path, path});
  }
  if (!confined.private_tmp.empty()) {
    kept_.push_back({confined.private_tmp + "/tmp", "/tmp", true});
    kept_.push_back({confined.private_tmp + "/var-tmp", "/var/tmp", true});
  }
}

// A clone belongs to no namespace until it is mounted again, and so misses what is done to all mounts of this one.
bool Mounts::apply() {
  if (kept_.empty()) return true;
  if (!leave_namespace()) return false;
  for (auto& one : kept_) {
    one.fd = open_clone(one.source.c_str(), one.is_tmp ? 0 : AT_RECURSIVE);
    if (one.fd < 0) return false;
    if (one.is_tmp && !set_attributes(one.fd, "", AT_EMPTY_PATH, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)) return false;
  }
  if (read_only_ && !set_attributes(AT_FDCWD, "/", AT_RECURSIVE, MOUNT_ATTR_RDONLY)) return false;
  for (const auto& one : kept_) {
    if (::syscall(SYS_move_mount, one.fd, "", AT_FDCWD, one.target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) return false;
    ::close(one.fd);
  }
  return true;
}

Result<> can_have_mounts() {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool can = leave_namespace() && set_attributes(AT_FDCWD, "/", AT_RECURSIVE, MOUNT_ATTR_RDONLY);
    ::_exit(can ? 0 : errno);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return fail_errno("cannot try mounts", errno);
  if (status == 0) return {};
  return fail_errno("the kernel refuses mounts of its own", WIFEXITED(status) ? WEXITSTATUS(status) : EPERM);
}

}  // namespace fleet::os
