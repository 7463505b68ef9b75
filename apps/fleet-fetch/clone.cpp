#include "clone.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <ranges>
#include <vector>

#include "os/fd.hpp"
#include "text.hpp"

namespace fleet::fetch {
namespace {

namespace fs = std::filesystem;

Result<> seal(int folder, const std::string& name) {
  if (::fchmod(folder, 0555) != 0 || ::fsync(folder) != 0) return fail_errno("cannot finish " + printable(name), errno);
  return {};
}

}  // namespace

Result<> clone_release(const std::string& from, int to) {
  const os::Fd source(::open(from.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  // Whoever removes a release leaves alone what is locked.
  if (!source || ::flock(source.get(), LOCK_SH | LOCK_NB) != 0) return fail_errno("cannot open " + from, errno);
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::recursive_directory_iterator at(from, error), end; !error && at != end; at.increment(error)) {
    const auto path = at->path().lexically_relative(from).string();
    const auto status = at->symlink_status(error);
    if (error) break;
    if (fs::is_directory(status)) {
      if (::mkdirat(to, path.c_str(), 0700) != 0) return fail_errno("cannot create " + printable(path), errno);
      folders.push_back(path);
    } else if (::linkat(AT_FDCWD, at->path().c_str(), to, path.c_str(), 0) != 0) {
      return fail_errno("cannot link " + printable(path), errno);
    }
  }
  if (error) return fail_errno("cannot read " + from, error.value());
  for (const auto& path : folders | std::views::reverse) {
    const os::Fd folder(::openat(to, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return fail_errno("cannot open " + printable(path), errno);
    TRYV(seal(folder.get(), path));
  }
  return seal(to, "the release");
}

}  // namespace fleet::fetch
