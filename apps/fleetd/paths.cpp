#include "paths.hpp"

#include <grp.h>
#include <unistd.h>

#include <filesystem>

#include "os/dirs.hpp"

namespace fleet {
namespace {

// A fleetd that is root lets the group fleet reach its socket, where there is such a group.
void give_to_group(const std::string& path) {
  const group* fleet = ::geteuid() == 0 ? ::getgrnam("fleet") : nullptr;
  if (fleet) (void)!::chown(path.c_str(), 0, fleet->gr_gid);
}

}  // namespace

Result<Paths> Paths::of(const Config& config) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail("cannot read /proc/self/exe: " + error.message());
  return Paths{config.state_dir, config.run_dir, self.parent_path().string()};
}

void Paths::share_api_socket() const { give_to_group(api_socket()); }

Result<> Paths::make() const {
  TRYV(os::make_dir(state, 0711));  // instances reach their release below it
  TRYV(os::make_dir(run, 0751));
  give_to_group(run);
  for (const auto& dir : {shims(), workers(), http_sockets(), tls()}) TRYV(os::make_dir(dir, 0700));
  TRYV(os::make_dir(run + "/notify", 0711));  // apps with users of their own reach their sockets in it
  for (const auto* dir : {"/releases", "/data"}) TRYV(os::make_dir(state + dir, 0711));
  return os::make_dir(state + "/log", 0750);
}

Result<> Paths::make_for_app(const std::string& app, const std::optional<Identity>& user) const {
  TRYV(os::make_dir(app_logs(app), 0750));
  TRYV(os::make_dir(http_sockets() + "/" + app, 0700));
  const uid_t uid = user ? user->uid : ::geteuid();
  const gid_t gid = user ? user->gid : ::getegid();
  TRYV(os::make_dir_for(app_releases(app), 0710, ::geteuid(), gid));
  return os::make_dir_for(data(app), 0700, uid, gid);
}

}  // namespace fleet
