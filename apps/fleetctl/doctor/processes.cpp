#include "doctor/processes.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "os/atomic_file.hpp"
#include "os/process.hpp"
#include "os/process_tree.hpp"

namespace fleet::ctl::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxArguments = 64u << 10, kMaxOutput = 64u << 10;
constexpr int kAtMost = 10'000;  // milliseconds

std::string folder_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

std::vector<std::string> arguments_of(pid_t pid) {
  const auto text = os::read_file(folder_of(pid) + "/cmdline", kMaxArguments).value_or("");
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\0', at), text.size());
    all.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

std::string name_of(pid_t pid) {
  auto name = os::read_file(folder_of(pid) + "/comm", 64).value_or("?");
  while (name.ends_with('\n')) name.pop_back();
  return name;
}

std::string value_of(const std::vector<std::string>& arguments, std::string_view option) {
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == option) return arguments[i + 1];
  }
  return {};
}

}  // namespace

ProcessTable::ProcessTable(const Config& config, pid_t fleetd) {
  const auto table = os::processes();
  if (fleetd != 0) ours_.insert(fleetd);
  for (const auto& entry : table) {
    all_.push_back(entry.pid);
    const auto arguments = arguments_of(entry.pid);
    if (arguments.empty() || entry.zombie || !arguments[0].ends_with("fleet-shim")) continue;
    const auto id = value_of(arguments, "--id");
    if (value_of(arguments, "--socket") != config.run_dir + "/shim/" + id) continue;
    shims_.push_back({entry.pid, "fleet-shim", id});
    ours_.insert(entry.pid);
    for (const auto& below : os::descendants(table, entry.pid)) ours_.insert(below.pid);
  }
  const auto releases = config.state_dir + "/releases/";
  for (const auto& entry : table) {
    std::error_code error;
    const auto folder = fs::read_symlink(folder_of(entry.pid) + "/cwd", error).string();
    if (error || entry.zombie || !folder.starts_with(releases) || ours_.contains(entry.pid)) continue;
    without_shim_.push_back({entry.pid, name_of(entry.pid), {}});
  }
}

std::multimap<std::uint64_t, Process> ProcessTable::socket_holders() const {
  std::multimap<std::uint64_t, Process> holders;
  constexpr std::string_view kSocket = "socket:[";
  for (const auto pid : all_) {
    std::error_code error;
    for (fs::directory_iterator at(folder_of(pid) + "/fd", error), end; !error && at != end; at.increment(error)) {
      std::error_code gone;
      const auto target = fs::read_symlink(at->path(), gone).string();
      if (gone || !target.starts_with(kSocket)) continue;
      std::uint64_t inode = 0;
      std::from_chars(target.data() + kSocket.size(), target.data() + target.size(), inode);
      holders.emplace(inode, Process{pid, {}, {}});
    }
  }
  for (auto& [inode, process] : holders) process.name = name_of(process.pid);
  return holders;
}

bool is_there(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

std::optional<std::string> output_of(std::vector<std::string> argv) {
  const os::Fd out(::memfd_create("out", MFD_CLOEXEC));
  os::Spawn what;
  what.argv = std::move(argv);
  what.env = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  what.out = out.get();
  const auto process = os::spawn(what);
  if (!out || !process) return std::nullopt;
  pollfd ended{process->pidfd.get(), POLLIN, 0};
  if (::poll(&ended, 1, kAtMost) != 1) (void)os::signal(process->pidfd, SIGKILL);
  ::poll(&ended, 1, kAtMost);
  const auto status = os::reap(process->pidfd);
  if (!status || !*status || (*status)->code != 0) return std::nullopt;
  std::string text(kMaxOutput, '\0');
  const auto got = ::pread(out.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace fleet::ctl::doctor
