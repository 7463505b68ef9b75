#include "os/dirs.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "os/atomic_file.hpp"

namespace fleet::os {
namespace {

Result<Fd> open_dir(const std::string& path, mode_t mode, bool must_be_ours) {
  const auto parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty() && !std::filesystem::create_directories(parent, error) && error) {
    return fail_errno("cannot create " + parent.string(), error.value());
  }
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return fail_errno("cannot create " + path, errno);
  Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat is {};
  if (!dir || ::fstat(dir.get(), &is) != 0) return fail_errno("cannot use " + path, errno);
  if (is.st_uid != ::geteuid() && (must_be_ours || ::geteuid() != 0)) {
    return fail(ErrorKind::denied, "cannot use " + path + ": it belongs to user " + std::to_string(is.st_uid));
  }
  return dir;
}

Result<> permit(const Fd& dir, const std::string& path, mode_t mode) {
  struct stat is {};
  const bool known = ::fstat(dir.get(), &is) == 0;
  if (known && (is.st_mode & 07777) == mode) return {};
  if (::fchmod(dir.get(), mode) != 0) return fail_errno("cannot set the permissions of " + path, errno);
  return {};
}

}  // namespace

Result<> make_dir(const std::string& path, mode_t mode) {
  TRY(const auto dir, open_dir(path, mode, true));
  return permit(dir, path, mode);
}

Result<> make_dir_for(const std::string& path, mode_t mode, uid_t owner, gid_t group) {
  TRY(const auto dir, open_dir(path, mode, false));
  if (::fchown(dir.get(), owner, group) != 0) return fail_errno("cannot give " + path + " to its user", errno);
  return permit(dir, path, mode);
}

Result<Fd> lock_dir(const std::string& dir) {
  const std::string path = dir + "/lock";
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail_errno("cannot open " + path, errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno("cannot lock " + path, errno);
    auto holder = read_file(path, 64).value_or("");
    std::erase(holder, '\n');
    return fail(ErrorKind::busy, "cannot lock " + dir + ": in use by process " + (holder.empty() ? "?" : holder));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), pid.data(), pid.size(), 0) < 0) {
    return fail_errno("cannot write " + path, errno);
  }
  return file;
}

}  // namespace fleet::os
