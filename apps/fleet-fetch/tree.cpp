#include "tree.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "text.hpp"

namespace fleet::fetch {

os::Fd Tree::open(const std::string& path, std::uint64_t flags, std::uint64_t mode) const {
  open_how how{};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  return os::Fd(static_cast<int>(::syscall(SYS_openat2, root_, path.c_str(), &how, sizeof how)));
}

Result<std::pair<int, const char*>> Tree::place_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == path.npos) return std::pair(root_, path.c_str());
  const std::string folder = path.substr(0, slash);
  if (folder != near_path_ || !near_) {
    near_ = open(folder, O_PATH | O_DIRECTORY);
    if (!near_) return fail_errno("cannot open " + printable(folder), errno);
    near_path_ = folder;
  }
  return std::pair(near_.get(), path.c_str() + slash + 1);
}

Result<> Tree::make_folder(const std::string& path) {
  TRY(const auto place, place_of(path));
  if (::mkdirat(place.first, place.second, 0700) != 0) return fail_errno("cannot create " + printable(path), errno);
  folders_.push_back(path);
  return {};
}

Result<os::Fd> Tree::create_file(const std::string& path) {
  os::Fd file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return fail_errno("cannot create " + printable(path), errno);
  return file;
}

Result<> Tree::make_symlink(const std::string& path, const std::string& target) {
  TRY(const auto place, place_of(path));
  if (::symlinkat(target.c_str(), place.first, place.second) != 0) {
    return fail_errno("cannot create " + printable(path), errno);
  }
  return {};
}

Result<> Tree::make_hardlink(const std::string& path, const std::string& existing) {
  const os::Fd file = open(existing, O_PATH);
  TRY(const auto place, place_of(path));
  const std::string self = "/proc/self/fd/" + std::to_string(file.get());
  if (!file || ::linkat(AT_FDCWD, self.c_str(), place.first, place.second, AT_SYMLINK_FOLLOW) != 0) {
    return fail_errno("cannot link " + printable(path) + " to " + printable(existing), errno);
  }
  return {};
}

Result<> Tree::seal(const os::Fd& file, bool executable, std::time_t modified) {
  const timespec times[2] = {{modified, 0}, {modified, 0}};
  if (::fchmod(file.get(), executable ? 0555 : 0444) != 0) return fail_errno("cannot set the mode", errno);
  if (modified > 0 && ::futimens(file.get(), times) != 0) return fail_errno("cannot set the time", errno);
  return {};
}

Result<> Tree::seal_folders() {
  for (const auto& path : folders_) {
    const os::Fd folder = open(path, O_RDONLY | O_DIRECTORY);
    if (!folder || ::fchmod(folder.get(), 0555) != 0) {
      return fail_errno("cannot set the mode of " + printable(path), errno);
    }
  }
  if (::fchmod(root_, 0555) != 0) return fail_errno("cannot set the mode of the release", errno);
  return {};
}

}  // namespace fleet::fetch
