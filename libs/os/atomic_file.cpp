#include "os/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "os/fd.hpp"

namespace fleet::os {
namespace {

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// fsync is not tried again when it fails: the kernel may have dropped what it could not write.
Result<> write_durably(const std::string& path, std::string_view bytes, mode_t mode) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file) return fail_errno("cannot create " + path, errno);
  if (::fchmod(file.get(), mode) != 0 || !write_all(file.get(), bytes) || ::fsync(file.get()) != 0) {
    return fail_errno("cannot write " + path, errno);
  }
  return {};
}

}  // namespace

Result<> sync_dir(const std::string& path) {
  const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return fail_errno("cannot sync " + path, errno);
  return {};
}

Result<> write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string temporary = folder + "/." + path.substr(slash + 1) + ".tmp";
  ::unlink(temporary.c_str());  // left by a crash
  auto written = write_durably(temporary, bytes, mode);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = fail_errno("cannot replace " + path, errno);
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return sync_dir(folder);
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    auto error = fail_errno("cannot open " + path, errno);
    if (errno == ENOENT) error.error().kind = ErrorKind::not_found;
    return error;
  }
  // Read to the end whatever stat says: files of /proc have no size.
  std::string bytes;
  for (std::size_t used = 0;;) {
    bytes.resize(std::min(limit + 1, std::max<std::size_t>(used * 2, 4096)));
    const ssize_t got = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read " + path, errno);
    used += static_cast<std::size_t>(got);
    if (used > limit) {
      return fail(ErrorKind::usage, "cannot read " + path + ": larger than " + std::to_string(limit) + " bytes");
    }
    if (got == 0) {
      bytes.resize(used);
      return bytes;
    }
  }
}

}  // namespace fleet::os
