#include "cgroups.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>

namespace fleet {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr const char* kSupervisor = "supervisor";
constexpr const char* kControl = ".control";  // where systemd puts ExecStartPre= and the like
constexpr std::size_t kLongestName = 200;
constexpr auto kBetweenTries = 10ms;
constexpr int kTries = 500;

os::CgroupLimits limits_of(const RunConfig& run) { return {run.memory_max, run.cpu_max, run.processes_max}; }

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

Result<> move_out_of(const fs::path& root) {
  if (!is_there(root / "cgroup.events")) return {};  // the top one may have processes
  if (root.extension() == ".service" && !is_there(root / kSupervisor)) {
    return fail("systemd could not start fleetd again beside them; see DelegateSubgroup= in deploy/systemd/fleetd.service");
  }
  TRYV(os::make_cgroup(root / kSupervisor));
  return os::enter_cgroup(root / kSupervisor);
}

Result<os::CgroupControllers> controllers_for(const fs::path& own, const fs::path& root, const fs::path& folder) {
  if (own == root) TRYV(move_out_of(root));
  TRYV(os::delegate_controllers(root));
  return os::delegate_controllers(folder);
}

net::Task<> remove_soon(net::asio::io_context& io, std::string folder) {
  for (int i = 0; i < kTries && !os::remove_cgroup(folder); ++i) {
    (void)os::kill_cgroup(folder);
    net::Timer pause(io, kBetweenTries);
    (void)co_await pause.async_wait(net::use_result);
  }
}

}  // namespace

OwnCgroups take_cgroups(const std::string& own, const std::string& state_dir) {
  const auto nothing = [](std::string why) { return OwnCgroups{"", {}, std::move(why)}; };
  if (own.empty()) return nothing("no cgroup of version 2 is mounted");
  const fs::path here(own);
  const auto root = here.filename() == kSupervisor ? here.parent_path() : here;
  const auto folder = root / ("fleet-" + os::cgroup_name(state_dir));
  if (folder.filename().native().size() > kLongestName) return nothing("the name of state_dir is too long");
  if (const auto made = os::make_cgroup(folder); !made) return nothing(made.error().text);
  auto controllers = controllers_for(here, root, folder);
  if (!controllers) return {folder, {}, std::move(controllers.error().text)};
  return {folder, *controllers, *controllers == os::CgroupControllers{true, true, true} ? "" : "not all controllers are delegated"};
}

Result<> make_way(const std::string& own) {
  if (own.empty()) return {};
  const fs::path here(own);
  const auto root = here.filename() == kControl ? here.parent_path() : here;
  TRYV(os::make_cgroup(root / kSupervisor));
  return os::withdraw_controllers(root);
}

void confine(const Paths& paths, const std::string& id, const RunConfig& run, Confinement& confined) {
  const auto folder = paths.cgroup(id);
  if (folder.empty()) return;
  const auto made = os::make_cgroup(folder);
  const auto limited = made ? os::limit_cgroup(folder, limits_of(run)) : std::unexpected(made.error());
  if (!limited) return spdlog::warn("started without a cgroup id={}: {}", id, limited.error().text);
  confined.cgroup = folder;
  if (limited->memory) confined.memory_max = 0;
  if (limited->processes) confined.processes_max = 0;
}

void limit_again(const Paths& paths, const std::string& id, const RunConfig& run) {
  const auto folder = paths.cgroup(id);
  if (folder.empty() || !is_there(folder)) return;
  if (const auto done = os::limit_cgroup(folder, limits_of(run)); !done) spdlog::warn("{}", done.error().text);
}

void end_cgroup(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, const std::string& id) {
  const auto folder = paths.cgroup(id);
  if (folder.empty() || !is_there(folder)) return;
  (void)os::kill_cgroup(folder);
  if (!os::remove_cgroup(folder)) tasks.spawn(remove_soon(io, folder));
}

void end_other_cgroups(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, const std::set<std::string>& ids) {
  if (paths.cgroups.empty()) return;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(paths.cgroups, error)) {
    const auto id = entry.path().filename().string();
    if (!entry.is_directory(error) || ids.contains(id)) continue;
    if (os::is_populated(entry.path())) spdlog::warn("killing what was left behind by {}", id);
    end_cgroup(io, tasks, paths, id);
  }
}

}  // namespace fleet
