#include "app_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "config/parse.hpp"
#include "os/fd.hpp"

namespace fleet {
namespace {

constexpr const char* kName = "fleet-app.toml";

std::unexpected<Error> refused(const std::string& why) {
  return fail(ErrorKind::verify, std::string(kName) + ": " + why);
}

}  // namespace

std::string no_command(const std::string& app) {
  return "no command: neither app \"" + app +
         "\" in the configuration nor the build's fleet-app.toml says how it is run";
}

Result<BuildConfig> read_app_file(const std::string& release_dir, Listens listen) {
  const os::Fd fd(
      ::open((release_dir + "/" + kName).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return BuildConfig();
  struct stat is {};
  if (!fd && errno == ELOOP) return refused("is a link");
  if (!fd || ::fstat(fd.get(), &is) != 0) {
    auto failed = fail_errno(kName, errno);
    failed.error().kind = ErrorKind::verify;
    return failed;
  }
  if (!S_ISREG(is.st_mode)) return refused("is not a file");
  std::string text(config::kMaxAppFile + 1, '\0');
  std::size_t size = 0;
  for (ssize_t n = 1; n > 0 && size < text.size();) {
    n = ::read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0) return refused("cannot be read");
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  auto build = config::parse_app_file(text, kName, listen);
  if (build) return *build;
  const auto lines = build.error().lines();
  const auto more = lines.size() - 1;
  return fail(ErrorKind::verify, lines.front() + (more == 0 ? "" : " (and " + std::to_string(more) + " more)"));
}

}  // namespace fleet
