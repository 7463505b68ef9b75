#include "os/cgroup.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include "os/atomic_file.hpp"
#include "os/fd.hpp"
#include "os/process.hpp"

namespace fleet::os {
namespace {

constexpr std::size_t kMostText = 1u << 20;
constexpr int kDeepest = 32;
constexpr std::uint64_t kCpuPeriod = 100'000;  // microseconds

std::string_view take_until(std::string_view& text, char end) {
  const auto at = std::min(text.find(end), text.size());
  const auto part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

bool has_word(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    if (take_until(text, text.find(' ') < text.find('\n') ? ' ' : '\n') == word) return true;
  }
  return false;
}

// The number behind a name, as in "oom_kill 3".
std::uint64_t number_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    auto line = take_until(text, '\n');
    if (take_until(line, ' ') != name) continue;
    std::uint64_t value = 0;
    std::from_chars(line.data(), line.data() + line.size(), value);
    return value;
  }
  return 0;
}

// As mountinfo writes names: "\040" is a space.
std::string unescaped(std::string_view text) {
  std::string out;
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) && octal(text[i + 3])) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool is_below(std::string_view path, std::string_view root) {
  return root == "/" || path == root || (path.starts_with(root) && path[root.size()] == '/');
}

std::string content(const std::string& folder, const char* file) {
  return read_file(folder + "/" + file, kMostText).value_or("");
}

Result<> put(const std::string& folder, const char* file, std::string_view text) {
  const auto path = folder + "/" + file;
  const Fd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
  auto error = fail_errno("cannot write to " + path, errno);
  if (errno == ENOENT) error.error().kind = ErrorKind::not_found;
  if (errno == EBUSY) error.error().kind = ErrorKind::busy;
  return error;
}

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::vector<std::string> below(const std::string& folder) {
  std::vector<std::string> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
  while (const dirent* item = dir ? ::readdir(dir.get()) : nullptr) {
    if (item->d_type == DT_DIR && item->d_name[0] != '.') out.push_back(folder + "/" + item->d_name);
  }
  return out;
}

// For kernels before 5.14.
void kill_each(const std::string& folder, int depth) {
  const auto text = content(folder, "cgroup.procs");
  for (std::string_view rest = text; !rest.empty();) {
    const auto line = take_until(rest, '\n');
    pid_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    if (pid <= 0) continue;  // of another pid namespace
    const auto pidfd = open_pidfd(pid, start_time_of(pid));
    if (pidfd) (void)signal(*pidfd, SIGKILL);
  }
  if (depth == 0) return;
  for (const auto& child : below(folder)) kill_each(child, depth - 1);
}

Result<> remove_down(const std::string& folder, int depth) {
  if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) return {};
  if (errno == EBUSY && depth > 0) {
    for (const auto& child : below(folder)) TRYV(remove_down(child, depth - 1));
    if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) return {};
  }
  auto error = fail_errno("cannot remove " + folder, errno);
  if (errno == EBUSY) error.error().kind = ErrorKind::busy;
  return error;
}

std::string switched(const CgroupControllers& which, char sign) {
  std::string out;
  const auto add = [&](bool wanted, const char* name) {
    if (wanted) out += (out.empty() ? "" : " ") + std::string(1, sign) + name;
  };
  add(which.cpu, "cpu");
  add(which.memory, "memory");
  add(which.processes, "pids");
  return out;
}

CgroupControllers named_in(const std::string& text) {
  return {has_word(text, "memory"), has_word(text, "cpu"), has_word(text, "pids")};
}

// Nobody can be without what those below have.
Result<> withdraw_down(const std::string& folder, int depth) {
  const auto off = switched(named_in(content(folder, "cgroup.subtree_control")), '-');
  if (off.empty()) return {};
  if (depth > 0) {
    for (const auto& child : below(folder)) TRYV(withdraw_down(child, depth - 1));
  }
  return put(folder, "cgroup.subtree_control", off);
}

}  // namespace

std::string cgroup_folder(std::string_view cgroup, std::string_view mountinfo) {
  std::string_view own;
  while (!cgroup.empty()) {
    const auto line = take_until(cgroup, '\n');
    if (line.starts_with("0::/")) own = line.substr(3);
  }
  // One that begins with /.. is not below the root of our namespace.
  if (own.empty() || own.starts_with("/..") || own.ends_with(" (deleted)")) return "";
  std::string found;
  while (!mountinfo.empty()) {  // mountinfo: proc_pid_mountinfo(5); the last mount is the one on top
    auto line = take_until(mountinfo, '\n');
    const auto type = line.find(" - ");
    if (type == line.npos || !line.substr(type + 3).starts_with("cgroup2 ")) continue;
    for (int i = 0; i < 3; ++i) take_until(line, ' ');
    const auto root = unescaped(take_until(line, ' ')), mounted = unescaped(take_until(line, ' '));
    if (!is_below(own, root)) continue;
    const auto rest = root == "/" ? own : own.substr(root.size());
    found = mounted + (rest == "/" ? "" : std::string(rest));
  }
  return found;
}

std::string own_cgroup_folder() { return cgroup_folder(content("/proc/self", "cgroup"), content("/proc/self", "mountinfo")); }

std::string cgroup_name(std::string_view path) {
  std::string out;
  for (const char c : path.substr(path.starts_with('/') ? 1 : 0)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '/') out += '-';
    else if (plain) out += c;
    else out.append("\\x") += kHex[byte >> 4], out += kHex[byte & 15];
  }
  return out;
}

Result<> make_cgroup(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("cannot make " + folder, errno);
  return {};
}

Result<CgroupControllers> limit_cgroup(const std::string& folder, const CgroupLimits& limits) {
  CgroupControllers kept{is_there(folder + "/memory.max"), is_there(folder + "/cpu.max"), is_there(folder + "/pids.max")};
  const auto most = [](std::uint64_t limit) { return limit == 0 ? std::string("max") : std::to_string(limit); };
  if (kept.memory) {
    TRYV(put(folder, "memory.max", most(limits.memory)));
    if (is_there(folder + "/memory.oom.group")) TRYV(put(folder, "memory.oom.group", "1"));
  }
  if (kept.cpu) {
    TRYV(put(folder, "cpu.max", most(limits.cpu * kCpuPeriod / 1000) + " " + std::to_string(kCpuPeriod)));
  }
  if (kept.processes) TRYV(put(folder, "pids.max", most(limits.processes)));
  return kept;
}

Result<CgroupControllers> delegate_controllers(const std::string& folder) {
  const auto there = named_in(content(folder, "cgroup.controllers"));
  const auto on = switched(there, '+');
  if (!on.empty() && named_in(content(folder, "cgroup.subtree_control")) != there) {
    TRYV(put(folder, "cgroup.subtree_control", on));
  }
  return there;
}

Result<> withdraw_controllers(const std::string& folder) { return withdraw_down(folder, kDeepest); }

Result<> enter_cgroup(const std::string& folder) { return put(folder, "cgroup.procs", "0"); }

Result<> kill_cgroup(const std::string& folder) {
  auto killed = put(folder, "cgroup.kill", "1");
  if (killed || killed.error().kind != ErrorKind::not_found) return killed;
  kill_each(folder, kDeepest);
  return {};
}

bool is_populated(const std::string& folder) { return number_of(content(folder, "cgroup.events"), "populated") != 0; }

Result<> remove_cgroup(const std::string& folder) { return remove_down(folder, kDeepest); }

OutOfMemory out_of_memory(const std::string& folder) {
  const auto events = content(folder, "memory.events"), limit = content(folder, "memory.max");
  OutOfMemory out;
  out.killed = std::max(number_of(events, "oom_kill"), number_of(events, "oom_group_kill"));
  out.reached = number_of(events, "oom");
  std::from_chars(limit.data(), limit.data() + limit.size(), out.limit);  // "max": stays 0
  return out;
}

}  // namespace fleet::os
