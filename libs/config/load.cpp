#include "config/load.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace fleet::config {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// The cores this process may use, which a container or taskset may have made fewer than the machine has.
std::uint32_t usable_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace

std::expected<Config, Problems> load(const std::string& path) {
  const auto unreadable = [&] {
    return std::unexpected(Problems{path, {{0, 0, fail_errno("cannot read", errno).error().text}}});
  };
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error || std::filesystem::is_directory(absolute, error)) {
    errno = error ? error.value() : EISDIR;
    return unreadable();
  }
  errno = 0;
  std::ifstream file(absolute, std::ios::binary);
  if (!file) return unreadable();
  std::string text(kMaxText + 1, '\0');  // one more than parse() takes, so that it sees what is too large
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return unreadable();
  text.resize(static_cast<std::size_t>(file.gcount()));

  Environment environment;
  environment.uid = ::geteuid();
  environment.home = variable("HOME");
  environment.xdg_state_home = variable("XDG_STATE_HOME");
  environment.xdg_runtime_dir = variable("XDG_RUNTIME_DIR");
  environment.cores = usable_cores();
  environment.directory = absolute.parent_path();
  return parse(text, path, environment);
}

}  // namespace fleet::config
