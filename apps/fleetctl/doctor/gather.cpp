#include "doctor/gather.hpp"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <set>
#include <sstream>

#include "config/load.hpp"
#include "doctor/processes.hpp"
#include "doctor/sockets_table.hpp"
#include "os/atomic_file.hpp"
#include "os/cgroup.hpp"
#include "os/users.hpp"
#include "tls/load.hpp"

namespace fleet::ctl::doctor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultConfig = "/etc/fleet/fleet.toml";
constexpr const char* kDefaultUnit = "fleetd.service";
constexpr std::size_t kMaxProc = 4u << 20;  // bytes of a file in /proc

std::string text_of(const std::string& path) { return os::read_file(path, kMaxProc).value_or(""); }

// The number after `key` in "KEY  123 kB" or "KEY 123"; 0: not there.
std::uint64_t number_after(const std::string& text, const std::string& key) {
  const auto at = text.find(key);
  if (at == std::string::npos) return 0;
  std::uint64_t value = 0;
  std::istringstream(text.substr(at + key.size())) >> value;
  return value;
}

File look_at(const std::string& path) {
  File file{path};
  struct stat is {};
  if (::lstat(path.c_str(), &is) != 0) return file;
  file.kind = S_ISDIR(is.st_mode) ? FileKind::folder : S_ISSOCK(is.st_mode) ? FileKind::socket : FileKind::other;
  file.owner = is.st_uid;
  file.mode = is.st_mode & 07777;
  return file;
}

std::string type_name(const struct statfs& of) {
  switch (static_cast<unsigned long>(of.f_type)) {
    case TMPFS_MAGIC: return "tmpfs";
    case NFS_SUPER_MAGIC: return "nfs";
    case 0xff534d42: return "cifs";
    case SMB2_SUPER_MAGIC: return "smb";
    case V9FS_MAGIC: return "9p";
    case CEPH_SUPER_MAGIC: return "ceph";
    case FUSE_SUPER_MAGIC: return "fuse";
    case EXT4_SUPER_MAGIC: return "ext4";
    case XFS_SUPER_MAGIC: return "xfs";
    case BTRFS_SUPER_MAGIC: return "btrfs";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    default: return "other";  // of the kernel's, which has more
  }
}

std::optional<Volume> volume_of(const std::string& path) {
  struct statfs type {};
  struct statvfs room {};
  if (::statfs(path.c_str(), &type) != 0 || ::statvfs(path.c_str(), &room) != 0) return std::nullopt;
  Volume volume{path, type_name(type)};
  volume.size = room.f_blocks * room.f_frsize;
  volume.free = room.f_bavail * room.f_frsize;
  volume.inodes = room.f_files;
  volume.free_inodes = room.f_favail;
  volume.read_only = (room.f_flag & ST_RDONLY) != 0;
  return volume;
}

void look_at_config(Facts& facts, const std::string& asked) {
  facts.config_file = !asked.empty() ? asked : facts.status && !facts.status->config.empty() ? facts.status->config : kDefaultConfig;
  auto config = config::load(facts.config_file);
  if (config) facts.config = std::move(*config);
  else facts.config_problems = config.error().lines();
}

void look_at_folders(Facts& facts) {
  facts.run = look_at(facts.config.run_dir);
  facts.state = look_at(facts.config.state_dir);
  std::set<dev_t> seen;
  for (const auto& path : {facts.config.state_dir, facts.config.run_dir}) {
    struct stat is {};
    if (::stat(path.c_str(), &is) != 0 || !seen.insert(is.st_dev).second) continue;
    if (auto volume = volume_of(path)) facts.volumes.push_back(std::move(*volume));
  }
}

// Sockets in run_dir from before the machine's start.
void look_for_stale(Facts& facts) {
  const auto booted = static_cast<std::time_t>(number_after(text_of("/proc/stat"), "\nbtime"));
  for (const auto* folder : {"/shim", "/worker", "/notify"}) {
    std::error_code error;
    for (fs::directory_iterator at(facts.config.run_dir + folder, error), end; !error && at != end; at.increment(error)) {
      struct stat is {};
      if (::lstat(at->path().c_str(), &is) == 0 && is.st_mtime < booted) facts.stale.push_back(at->path().string());
    }
  }
}

void look_at_memory(Facts& facts) {
  const auto text = text_of("/proc/meminfo");
  facts.memory = number_after(text, "MemTotal:") * 1024;
  facts.memory_available = number_after(text, "MemAvailable:") * 1024;
}

void look_at_network(Facts& facts, const ProcessTable& table) {
  auto sockets = listening(text_of("/proc/net/tcp"));
  for (auto& one : listening(text_of("/proc/net/tcp6"))) sockets.push_back(std::move(one));
  const auto holders = table.socket_holders();
  const auto look = [&](const char* key, const Endpoint& endpoint) {
    Listener listener{key, endpoint, false, {}};
    for (const auto& socket : sockets) {
      if (!collide(socket.endpoint, endpoint)) continue;
      const auto [first, last] = holders.equal_range(socket.inode);
      const bool ours = std::any_of(first, last, [&](const auto& holder) { return table.is_of_fleet(holder.second.pid); });
      if (ours) listener.ours = true;
      else listener.strangers.push_back(first == last ? Process{0, "another user's process", {}} : first->second);
    }
    facts.listeners.push_back(std::move(listener));
  };
  for (const auto& endpoint : facts.config.proxy.http) look("proxy.http", endpoint);
  for (const auto& endpoint : facts.config.proxy.https) look("proxy.https", endpoint);
  if (facts.config.api.listen) look("api.listen", *facts.config.api.listen);

  std::set<std::uint16_t> taken;
  for (const auto& socket : sockets) {
    const auto port = socket.endpoint.port;
    const auto holder = holders.find(socket.inode);
    const bool ours = holder != holders.end() && table.is_of_fleet(holder->second.pid);
    if (port >= facts.config.port_first && port <= facts.config.port_last && !ours) taken.insert(port);
  }
  facts.app_ports_taken = static_cast<std::uint32_t>(taken.size());
  std::istringstream(text_of("/proc/sys/net/ipv4/ip_local_port_range")) >> facts.ephemeral_first >> facts.ephemeral_last;
}

void look_at_certificates(Facts& facts) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const auto roots = tls::Roots::system();
  for (const auto& files : facts.config.tls) {
    Certificate one;
    one.file = files.certificate;
    const auto loaded = tls::load(files, roots, now, tls::UnreadableKey::warning);
    if (loaded) {
      one.names = loaded->inspected.facts.names;
      one.warnings = loaded->inspected.warnings;
      one.until = loaded->inspected.facts.until;
      one.alarm = tls::expiry_alarm(loaded->inspected.facts, now);
    } else {
      one.error = loaded.error().text;
    }
    facts.certificates.push_back(std::move(one));
  }
}

void look_at_users(Facts& facts) {
  for (const auto& app : facts.config.apps) {
    if (app.run.user.empty()) continue;
    const auto identity = os::identity_of(app.run.user, app.run.group);
    if (!identity) facts.unknown_users.push_back(app.name + ": " + identity.error().text);
  }
}

// Of /proc/PID/cgroup, with a line for each hierarchy: "0::/system.slice/fleetd.service/supervisor" -> "fleetd.service"
std::string unit_of(const std::string& cgroups) {
  std::istringstream lines(cgroups);
  for (std::string line; std::getline(lines, line);) {
    for (const auto& part : fs::path(line)) {
      if (part.extension() == ".service") return part.string();
    }
  }
  return {};
}

void look_at_fleetd(Facts& facts) {
  if (facts.status) {
    const auto proc = "/proc/" + std::to_string(facts.status->pid);
    struct stat is {};
    if (::stat(proc.c_str(), &is) == 0) facts.fleetd_user = is.st_uid;
    facts.open_files = number_after(text_of(proc + "/limits"), "Max open files");
    const auto cgroup = text_of(proc + "/cgroup");
    facts.unit = unit_of(cgroup);
    Cgroup own;
    own.folder = os::cgroup_folder(cgroup, text_of(proc + "/mountinfo"));
    if (fs::path(own.folder).filename() == "supervisor") own.folder = fs::path(own.folder).parent_path().string();  // see take_cgroups()
    std::istringstream controllers(text_of(own.folder + "/cgroup.controllers"));
    for (std::string word; controllers >> word;) own.controllers.push_back(word);
    struct stat folder {};
    own.delegated = !own.folder.empty() && ::stat(own.folder.c_str(), &folder) == 0 &&
                    (facts.fleetd_user == 0 || folder.st_uid == facts.fleetd_user);
    facts.cgroup = std::move(own);
  } else if (fs::exists("/run/systemd/system")) {
    facts.unit = kDefaultUnit;
  }
  if (facts.unit.empty()) return;
  const auto shown = output_of({"/usr/bin/systemctl", "show", facts.unit, "--property",
                                "LoadState,Type,KillMode,Delegate,OOMPolicy,FileDescriptorStoreMax,WatchdogUSec"});
  std::istringstream lines(shown.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    if (equals != std::string::npos) facts.unit_settings[line.substr(0, equals)] = line.substr(equals + 1);
  }
}

void look_at_clock(Facts& facts) {
  timex asked{};
  facts.clock_synchronised = ::adjtimex(&asked) != TIME_ERROR && (asked.status & STA_UNSYNC) == 0;
  const auto now = std::time(nullptr);
  std::tm utc{};
  facts.year = ::gmtime_r(&now, &utc) ? utc.tm_year + 1900 : 0;
}

// Those beside the fleetd that runs, else beside ourselves.
void look_at_programs(Facts& facts) {
  std::error_code error;
  const auto self = facts.status ? "/proc/" + std::to_string(facts.status->pid) + "/exe" : std::string("/proc/self/exe");
  auto program = fs::read_symlink(self, error).string();
  constexpr std::string_view kDeleted = " (deleted)";
  if (program.ends_with(kDeleted)) {
    program.resize(program.size() - kDeleted.size());
    facts.fleetd_replaced = facts.status.has_value();
  }
  if (error) return;
  facts.programs_folder = fs::path(program).parent_path().string();
  for (const std::string name : {"fleetd", "fleet-proxy", "fleet-shim", "fleet-fetch"}) {
    auto said = output_of({facts.programs_folder + "/" + name, "--version"}).value_or("");
    const auto space = said.find(' ');
    said = space == std::string::npos ? "" : said.substr(space + 1);
    facts.programs[name] = said.substr(0, said.find_first_of(" \n"));
  }
}

}  // namespace

Facts gather(const std::string& config_file, const std::string& socket, std::optional<api::StatusView> status, std::string no_answer) {
  Facts facts;
  facts.status = std::move(status);
  facts.no_answer = std::move(no_answer);
  facts.socket_path = socket;
  facts.socket = look_at(socket);
  look_at_config(facts, config_file);
  look_at_fleetd(facts);
  facts.all_seen = ::geteuid() == 0 || (facts.status && ::geteuid() == facts.fleetd_user);
  look_at_memory(facts);
  look_at_clock(facts);
  look_at_programs(facts);
  if (!facts.config_problems.empty()) return facts;
  const ProcessTable table(facts.config, facts.status ? static_cast<pid_t>(facts.status->pid) : 0);
  facts.shims = table.shims();
  facts.without_shim = table.without_shim();
  if (facts.status) facts.unknown_shims = facts.shims;
  drop_known(facts, facts.status);
  look_at_folders(facts);
  look_for_stale(facts);
  look_at_network(facts, table);
  look_at_certificates(facts);
  look_at_users(facts);
  return facts;
}

void drop_known(Facts& facts, const std::optional<api::StatusView>& later) {
  if (!later) return;
  std::set<std::string> known;
  for (const auto& worker : later->workers) known.insert(worker.id);
  for (const auto& app : later->apps) {
    for (const auto& instance : app.instances) known.insert(instance.id);
  }
  std::erase_if(facts.unknown_shims, [&](const Process& shim) { return known.contains(shim.id) || !is_there(shim.pid); });
}

}  // namespace fleet::ctl::doctor
