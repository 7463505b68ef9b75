#include "release_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "os/dirs.hpp"
#include "os/fd.hpp"

namespace fleet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";  // as fleet-fetch's

bool is_temporary(std::string_view name) {
  const auto mark = name.rfind(kMark);
  if (mark == name.npos || mark == 0) return false;
  const auto pid = name.substr(mark + kMark.size());
  return !pid.empty() && pid.find_first_not_of("0123456789") == pid.npos;
}

os::Fd locked(const std::string& folder) {
  os::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

}  // namespace

Result<> remove_release(const std::string& folder) {
  const auto aside = folder + std::string(kMark) + std::to_string(::getpid());
  if (locked(aside)) TRYV(os::remove_tree(aside));
  const bool is_aside = is_temporary(folder.substr(folder.rfind('/') + 1));
  if (!is_aside && ::rename(folder.c_str(), aside.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("cannot remove " + folder, errno);
  }
  const auto& path = is_aside ? folder : aside;
  const auto lock = locked(path);  // keeps a fetch from removing it along with us
  return lock ? os::remove_tree(path) : Result<>();
}

std::vector<std::string> abandoned_in(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto path = entry.path().string();
    if (is_temporary(entry.path().filename().string()) && locked(path)) found.push_back(path);
  }
  std::ranges::sort(found);
  return found;
}

std::uint64_t Reclaim::count(const std::string& folder) {
  std::uint64_t bytes = 0;
  const auto look = [&](const fs::path& path) {
    struct stat is {};
    if (::lstat(path.c_str(), &is) != 0) return;
    const auto size = static_cast<std::uint64_t>(is.st_blocks) * 512;
    const File file{is.st_dev, is.st_ino};
    if (S_ISDIR(is.st_mode) || is.st_nlink == 1) bytes += size;
    else if (seen_.insert(file), seen_.count(file) == is.st_nlink) bytes += size;
  };
  look(folder);
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(folder, error); at != fs::recursive_directory_iterator();
       at.increment(error)) {
    look(at->path());
  }
  return bytes;
}

}  // namespace fleet
