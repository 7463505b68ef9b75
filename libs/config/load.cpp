#include "config/load.hpp"

#include <grp.h>
#include <pwd.h>
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

Result<std::string> read_whole(const std::filesystem::path& path, std::size_t limit) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return fail_errno("cannot read", EISDIR);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno("cannot read", errno);
  std::string text(limit + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail_errno("cannot read", errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > limit) return fail(ErrorKind::usage, "larger than " + std::to_string(limit >> 10) + " KiB");
  return text;
}

}  // namespace

std::expected<Config, Problems> load(const std::string& path, Users users) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  const auto text = read_whole(absolute, kMaxText);
  if (!text) return std::unexpected(Problems{path, {{0, 0, text.error().text}}});

  Environment environment;
  environment.uid = ::geteuid();
  environment.home = variable("HOME");
  environment.xdg_state_home = variable("XDG_STATE_HOME");
  environment.xdg_runtime_dir = variable("XDG_RUNTIME_DIR");
  environment.cores = usable_cores();
  environment.directory = absolute.parent_path();
  environment.read_file = read_whole;
  if (users == Users::must_exist) {
    environment.has_user = [](const std::string& name) { return ::getpwnam(name.c_str()) != nullptr; };
    environment.has_group = [](const std::string& name) { return ::getgrnam(name.c_str()) != nullptr; };
  }
  return parse(*text, path, environment);
}

}  // namespace fleet::config
