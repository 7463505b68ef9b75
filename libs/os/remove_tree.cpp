// Removal of trees that others may be changing, or may have built to trick us: every step is relative to a folder that
// is held open, and the kernel refuses symlinks and mounts (openat2).
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "os/dirs.hpp"

namespace fleet::os {
namespace {

// Each level holds a descriptor; deeper folders are moved up to the top and removed from there.
constexpr int kMaxDepth = 64;
// Readings of one folder: somebody who keeps adding to it does not keep us for ever.
constexpr int kMaxRounds = 1000;

Fd open_folder(int parent, const char* name, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return Fd(static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof how)));
}

// Applications make folders that even their owner may not read or change.
bool make_accessible(int parent, const char* name) {
  const Fd folder = open_folder(parent, name, O_PATH);
  return folder && ::chmod(("/proc/self/fd/" + std::to_string(folder.get())).c_str(), 0700) == 0;
}

class Removal {
 public:
  // Returns an errno, 0 when all is gone.
  int remove(int parent, const char* name, int depth) {
    if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    // EPERM: Linux says EISDIR for folders, some file systems EPERM.
    if (errno != EISDIR && errno != EPERM) return errno;
    Fd folder = open_folder(parent, name, O_RDONLY);
    if (!folder && errno == EACCES && make_accessible(parent, name)) folder = open_folder(parent, name, O_RDONLY);
    if (!folder) return errno;
    if (depth == 0) top_ = folder.get();
    const int error = empty(folder, depth);
    if (error != 0) return error;
    return ::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
  }

 private:
  // Goes round until a whole reading finds nothing: removal while reading may skip names.
  int empty(const Fd& folder, int depth) {
    ::fchmod(folder.get(), 0700);
    for (int round = 0; round < kMaxRounds; ++round) {
      const std::unique_ptr<DIR, int (*)(DIR*)> names(::fdopendir(::openat(folder.get(), ".", O_RDONLY | O_CLOEXEC)),
                                                      ::closedir);
      if (!names) return errno;
      bool found = false;
      while (const dirent* item = ::readdir(names.get())) {
        if (!std::strcmp(item->d_name, ".") || !std::strcmp(item->d_name, "..")) continue;
        found = true;
        const int error = remove_in(folder.get(), item->d_name, depth);
        if (error != 0) return error;
      }
      if (!found) return 0;
    }
    return ENOTEMPTY;
  }

  int remove_in(int folder, const char* name, int depth) {
    if (depth < kMaxDepth) return remove(folder, name, depth + 1);
    if (::unlinkat(folder, name, 0) == 0 || errno == ENOENT) return 0;
    if (!make_accessible(folder, name)) return errno;
    int error = EEXIST;
    while (error == EEXIST || error == ENOTEMPTY) {
      const std::string moved = ".fleet-remove-" + std::to_string(++moved_);
      error = ::renameat2(folder, name, top_, moved.c_str(), RENAME_NOREPLACE) == 0 ? 0 : errno;
    }
    return error;
  }

  int top_ = -1;
  unsigned moved_ = 0;
};

}  // namespace

Result<> remove_tree(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == path.npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return fail(ErrorKind::usage, "cannot remove '" + path + "'");
  const std::string parent = slash == path.npos ? "." : path.substr(0, slash + 1);
  // The way to it is the caller's: that may lead over symlinks and mounts.
  const Fd folder(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder && errno == ENOENT) return {};
  if (!folder) return fail_errno("cannot open " + parent, errno);
  if (const int error = Removal().remove(folder.get(), name.c_str(), 0))
    return fail_errno("cannot remove " + path, error);
  return {};
}

}  // namespace fleet::os
