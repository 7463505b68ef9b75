#include "staging.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <vector>

#include "os/dirs.hpp"
#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::string_view kMark = ".tmp-";

bool is_staging_name(std::string_view name) {
  const auto mark = name.rfind(kMark);
  if (mark == name.npos || mark == 0) return false;
  const auto pid = name.substr(mark + kMark.size());
  return !pid.empty() && pid.find_first_not_of("0123456789") == pid.npos;
}

os::Fd open_folder(int parent, const char* name) {
  return os::Fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool lock(const os::Fd& folder) { return ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0; }

bool is_gone(std::string_view name) {
  const auto pid = std::atoi(std::string(name.substr(name.rfind('-') + 1)).c_str());
  return pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
}

// The kernel kills a reader when its keeper is killed, but not in the same moment.
bool lock_when_its_reader_is_gone(const os::Fd& folder, std::string_view name) {
  constexpr int kTimes = 400;
  constexpr timespec kPause{0, 5'000'000};
  for (int i = 0; i < kTimes; ++i) {
    if (lock(folder)) return true;
    if (!is_gone(name)) return false;
    ::nanosleep(&kPause, nullptr);
  }
  return false;
}

// A fetch holds a lock on its folder, so one that can be locked has lost its maker.
void sweep(const os::Fd& parent) {
  const std::unique_ptr<DIR, int (*)(DIR*)> names(::fdopendir(open_folder(parent.get(), ".").release()), ::closedir);
  if (!names) return;
  std::vector<std::string> abandoned;
  while (const dirent* item = ::readdir(names.get())) {
    if (!is_staging_name(item->d_name)) continue;
    const os::Fd folder = open_folder(parent.get(), item->d_name);
    if (folder && lock_when_its_reader_is_gone(folder, item->d_name)) abandoned.emplace_back(item->d_name);
  }
  for (const auto& name : abandoned) static_cast<void>(os::remove_tree(name));
}

}  // namespace

Staging::Staging(os::Fd parent, std::string final_name)
    : parent_(std::move(parent)),
      final_name_(std::move(final_name)),
      name_(final_name_ + std::string(kMark) + std::to_string(::getpid())) {}

Result<Staging> Staging::create(const std::string& destination) {
  const std::filesystem::path path(destination);
  const std::string name = path.filename();
  if (!path.is_absolute() || name.empty() || name == "." || name == "..") {
    return fail(ErrorKind::usage, "cannot unpack to " + printable(destination) + ": not an absolute path to a folder");
  }
  os::Fd parent(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fchdir(parent.get()) != 0) return fail_errno("cannot open " + path.parent_path().string(), errno);
  struct stat existing {};
  if (::fstatat(parent.get(), name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0) {
    return fail(ErrorKind::usage, "cannot unpack to " + destination + ": it exists");
  }
  // Held while there is a folder that is not locked yet, so that nobody sweeps it away.
  if (::flock(parent.get(), LOCK_EX) != 0) return fail_errno("cannot lock " + path.parent_path().string(), errno);
  sweep(parent);
  Staging out(std::move(parent), name);
  if (::mkdirat(out.parent_.get(), out.name_.c_str(), 0700) != 0)
    return fail_errno("cannot create " + out.name_, errno);
  out.root_ = open_folder(out.parent_.get(), out.name_.c_str());
  const bool locked = out.root_ && lock(out.root_);
  const int error = errno;
  ::flock(out.parent_.get(), LOCK_UN);
  if (!locked) return fail_errno("cannot open " + out.name_, error);
  return out;
}

Staging::~Staging() {
  // Without a parent it was moved from. The name is relative to the current folder, which is the parent.
  if (parent_ && root_ && !published_) static_cast<void>(os::remove_tree(name_));
}

Result<> Staging::give_to(std::uint32_t uid, std::uint32_t gid) {
  given_ = uid != 0 && ::geteuid() == 0;
  if (given_ && ::fchown(root_.get(), uid, gid) != 0) return fail_errno("cannot give " + name_ + " to user " + std::to_string(uid), errno);
  return {};
}

// By paths, since nobody who could change them is left. It clears setuid bits, where somebody had set them.
Result<> Staging::take_back() {
  if (!given_) return {};
  const auto take = [](const std::string& path) -> Result<> {
    if (::lchown(path.c_str(), ::geteuid(), ::getegid()) != 0) return fail_errno("cannot take back " + printable(path), errno);
    return {};
  };
  TRYV(take(name_));
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(name_, error), end; !error && at != end; at.increment(error)) {
    TRYV(take(at->path().string()));
  }
  if (error) return fail_errno("cannot take back " + name_, error.value());
  given_ = false;
  return {};
}

Result<> Staging::empty() {
  ::fchmod(root_.get(), 0700);
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(name_, error)) names.push_back(entry.path().string());
  if (error) return fail_errno("cannot empty " + name_, error.value());
  for (const auto& name : names) TRYV(os::remove_tree(name));
  return {};
}

Result<> Staging::publish(Sync sync) {
  // One syncfs instead of an fsync per file: a release of many small files is on disk many times sooner.
  if (sync == Sync::all && ::syncfs(root_.get()) != 0) return fail_errno("cannot put the release on disk", errno);
  int renamed = ::renameat2(parent_.get(), name_.c_str(), parent_.get(), final_name_.c_str(), RENAME_NOREPLACE);
  // Not every file system knows RENAME_NOREPLACE; rename(2) replaces no folder that has something in it.
  if (renamed != 0 && errno == EINVAL) {
    renamed = ::renameat(parent_.get(), name_.c_str(), parent_.get(), final_name_.c_str());
  }
  if (renamed != 0) return fail_errno("cannot rename the release to " + final_name_, errno);
  name_ = final_name_;
  if (::fsync(parent_.get()) != 0) return fail_errno("cannot put the release's name on disk", errno);
  published_ = true;
  return {};
}

}  // namespace fleet::fetch
