#include "tls/load.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "os/atomic_file.hpp"

namespace fleet::tls {
namespace {

constexpr std::size_t kMaxPem = 256u << 10;  // bytes of a file

bool others_may_read(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

bool is_forbidden(const std::string& path) { return ::access(path.c_str(), R_OK) != 0 && errno == EACCES; }

Result<std::string> read(const std::string& path) {
  if (is_forbidden(path)) {
    return fail(ErrorKind::denied, path + ": permission denied (let the user that fleetd runs as read it, by its group say)");
  }
  return os::read_file(path, kMaxPem);
}

}  // namespace

Result<Loaded> load(const TlsConfig& files, const Roots& roots, std::int64_t now, UnreadableKey unreadable) {
  Loaded loaded;
  TRY(loaded.pair.certificate_pem, read(files.certificate));
  const bool unchecked = unreadable == UnreadableKey::warning && is_forbidden(files.key);
  if (!unchecked) {
    TRY(loaded.pair.key_pem, read(files.key));
    if (loaded.pair.key_pem.empty()) return fail(ErrorKind::usage, files.key + ": is empty");
  }
  TRY(loaded.inspected, inspect(files, loaded.pair, roots, now));
  auto& warnings = loaded.inspected.warnings;
  if (unchecked) warnings.push_back(files.key + ": is not readable for this user, so it was not checked");
  if (others_may_read(files.key)) warnings.push_back(files.key + ": everybody on this machine may read it (chmod o= it)");
  return loaded;
}

}  // namespace fleet::tls
