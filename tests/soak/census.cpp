#include "census.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "os/process_tree.hpp"
#include "scene.hpp"

namespace fleet::soak {
namespace {

namespace fs = std::filesystem;

std::string proc(pid_t pid, const char* what) { return "/proc/" + std::to_string(pid) + "/" + what; }

std::string program_of(pid_t pid) {
  std::error_code gone;
  const auto path = fs::read_symlink(proc(pid, "exe"), gone).filename().string();
  return path.substr(0, path.find(" (deleted)"));
}

std::uint64_t open_files(pid_t pid) {
  std::error_code gone;
  const auto all = fs::directory_iterator(proc(pid, "fd"), gone);
  return gone ? 0 : static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
}

std::set<std::string> sockets_of(pid_t pid) {
  std::set<std::string> inodes;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(proc(pid, "fd"), gone)) {
    std::error_code closed;
    const auto target = fs::read_symlink(entry.path(), closed).string();
    if (target.starts_with("socket:[")) inodes.insert(target.substr(8, target.size() - 9));
  }
  return inodes;
}

// By inode.
std::set<std::string> tcp_listeners() {
  constexpr int kListen = 0x0a;
  std::set<std::string> all;
  for (const auto* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);  // what the columns are
    while (std::getline(in, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
      fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode;
      if (std::stoi(state, nullptr, 16) == kListen) all.insert(inode);
    }
  }
  return all;
}

// None: it is no socket of TCP, or is not connected.
std::optional<std::uint16_t> port_by(int (*ask)(int, sockaddr*, socklen_t*), const os::Fd& fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (ask(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return std::nullopt;
}

template <class Wanted>
std::uint64_t entries(const std::string& folder, Wanted&& wanted) {
  std::uint64_t count = 0;
  std::error_code gone;
  for (const auto& entry : fs::recursive_directory_iterator(folder, gone)) count += wanted(entry) ? 1 : 0;
  return count;
}

// Beneath the cgroup that fleetd is in, and beside it: wherever a name says that it is of this fleet's.
std::uint64_t cgroups(const test::Fleet& fleet) {
  const auto folder_name = fs::path(fleet.root()).filename().string();
  const auto own = folder_name.substr(folder_name.rfind('-') + 1);  // the part that no name of a cgroup escapes
  std::ifstream mounts("/proc/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, folder, type;
    fields >> device >> folder >> type;
    if (type == "cgroup2") {
      return entries(folder, [&](const auto& e) { return e.path().string().find(own) != std::string::npos; });
    }
  }
  return 0;
}

// Programs that the soak runs itself are not the fleet's.
bool is_ours(const std::string& program) {
  return program == "fleetd" || program == "fleet-proxy" || program == "fleet-shim" || program == "fleet-fetch" ||
         program == "server";
}

}  // namespace

Census take_census(const test::Fleet& fleet) {
  Census census;
  std::set<std::string> sockets;
  const auto table = os::processes();
  for (const auto& entry : os::descendants(table, ::getpid())) {
    if (entry.zombie) {
      census.zombies += entry.parent != ::getpid() ? 1 : 0;
      continue;
    }
    const auto program = program_of(entry.pid);
    if (!is_ours(program)) continue;
    ++census.processes[program];
    sockets.merge(sockets_of(entry.pid));
    if (program == "fleet-proxy") {
      census.worker_files = std::max(census.worker_files, open_files(entry.pid));
      census.worker_kib = std::max(census.worker_kib, test::rss_kib(entry.pid));
    }
  }
  census.fleetd_files = open_files(fleet.pid());
  census.fleetd_kib = test::rss_kib(fleet.pid());
  for (const auto& inode : tcp_listeners()) census.listeners += sockets.contains(inode) ? 1 : 0;
  census.run_entries = entries(fleet.root() + "/run", [](const auto&) { return true; });
  const auto state = fleet.root() + "/state";
  census.state_folders = entries(state, [](const auto& e) { return e.is_directory() && !e.is_symlink(); });
  census.state_files = entries(state, [](const auto& e) { return !e.is_directory() || e.is_symlink(); });
  census.cgroups = cgroups(fleet);
  return census;
}

std::vector<Holding> compare(const Census& before, const Census& after) {
  std::vector<Holding> rows;
  auto names = before.processes;
  names.insert(after.processes.begin(), after.processes.end());
  for (const auto& [name, ignored] : names) {
    const auto count = [&name](const Census& census) {
      const auto found = census.processes.find(name);
      return found == census.processes.end() ? 0 : found->second;
    };
    rows.push_back({"processes " + name, count(before), count(after), 0});
  }
  // Open files: what a probe or a request of the API has just then. In the state: logs of instances that are gone, of
  // which 20 are kept for each app. Memory: the allocator's, of processes that are not the same ones any more, and what
  // fleetd remembers of some thousand deployments.
  rows.push_back({"zombies", before.zombies, after.zombies, 0});
  rows.push_back({"files fleetd", before.fleetd_files, after.fleetd_files, 4});
  rows.push_back({"files worker", before.worker_files, after.worker_files, 4});
  rows.push_back({"listeners", before.listeners, after.listeners, 0});
  rows.push_back({"run entries", before.run_entries, after.run_entries, 0});
  rows.push_back({"state folders", before.state_folders, after.state_folders, 0});
  rows.push_back({"state files", before.state_files, after.state_files, 48});
  rows.push_back({"cgroups", before.cgroups, after.cgroups, 0});
  if (kSanitized) return rows;
  rows.push_back({"KiB fleetd", before.fleetd_kib, after.fleetd_kib, 8192});
  rows.push_back({"KiB worker", before.worker_kib, after.worker_kib, 4096});
  return rows;
}

// Asked of the sockets themselves: /proc/net/tcp passes over some while others come and go.
std::set<std::uint16_t> connections_of(const os::Fd& process, pid_t pid, const std::set<std::uint16_t>& listening) {
  std::set<std::uint16_t> ports;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(proc(pid, "fd"), gone)) {
    const auto number = std::stoi(entry.path().filename().string());
    const os::Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
    const auto local = copy ? port_by(::getsockname, copy) : std::nullopt;
    const auto remote = copy ? port_by(::getpeername, copy) : std::nullopt;
    if (local && remote && listening.contains(*local)) ports.insert(*remote);
  }
  return ports;
}

}  // namespace fleet::soak
