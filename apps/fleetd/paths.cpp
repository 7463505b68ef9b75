#include "paths.hpp"

#include <filesystem>

#include "os/dirs.hpp"

namespace fleet {

Result<Paths> Paths::of(const Config& config) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail("cannot read /proc/self/exe: " + error.message());
  return Paths{config.state_dir, config.run_dir, self.parent_path().string()};
}

Result<> Paths::make() const {
  TRYV(os::make_dir(state, 0711));  // instances reach their release below it
  TRYV(os::make_dir(run, 0755));
  for (const auto& dir : {shims(), run + "/worker", run + "/notify", tls()}) TRYV(os::make_dir(dir, 0700));
  for (const auto* dir : {"/releases", "/data"}) TRYV(os::make_dir(state + dir, 0711));
  return os::make_dir(state + "/log", 0750);
}

Result<> Paths::make_for_app(const std::string& app) const {
  TRYV(os::make_dir(app_releases(app), 0711));
  TRYV(os::make_dir(data(app), 0700));
  return os::make_dir(app_logs(app), 0750);
}

}  // namespace fleet
