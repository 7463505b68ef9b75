#include "os/process_tree.hpp"

#include <dirent.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>
#include <string>

#include "os/atomic_file.hpp"
#include "os/process.hpp"

namespace fleet::os {
namespace {

constexpr std::size_t kStatLimit = 4096;

template <class T>
bool number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// Adds whoever has a parent in `wanted`, until nobody is added.
void add_descendants(std::span<const ProcessEntry> table, std::set<pid_t>& wanted) {
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& entry : table) {
      if (wanted.contains(entry.parent) && wanted.insert(entry.pid).second) grew = true;
    }
  }
}

std::vector<ProcessEntry> select(std::span<const ProcessEntry> table, const std::set<pid_t>& wanted) {
  std::vector<ProcessEntry> out;
  std::ranges::copy_if(table, std::back_inserter(out), [&](const auto& entry) { return wanted.contains(entry.pid); });
  return out;
}

}  // namespace

std::optional<ProcessEntry> parse_stat(std::string_view text) {
  // The name is in parentheses and may itself contain spaces and parentheses: the last ')' ends it.
  const std::size_t open = text.find(" ("), close = text.rfind(") ");
  if (open == text.npos || close == text.npos || close < open) return std::nullopt;
  const auto rest = words(text.substr(close + 2));  // field 3, the state, comes first
  ProcessEntry entry;
  if (rest.size() < 20 || !number(text.substr(0, open), entry.pid) || !number(rest[1], entry.parent) ||
      !number(rest[2], entry.group) || !number(rest[3], entry.session) || !number(rest[19], entry.start_time)) {
    return std::nullopt;
  }
  entry.zombie = rest[0] == "Z" || rest[0] == "X";
  return entry;
}

std::optional<ProcessEntry> process_entry(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", kStatLimit);
  return text ? parse_stat(*text) : std::nullopt;
}

std::vector<ProcessEntry> processes() {
  std::vector<ProcessEntry> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  while (const dirent* item = proc ? ::readdir(proc.get()) : nullptr) {
    pid_t pid = 0;
    if (!number(std::string_view(item->d_name), pid)) continue;
    if (const auto entry = process_entry(pid)) out.push_back(*entry);
  }
  return out;
}

std::vector<ProcessEntry> descendants(std::span<const ProcessEntry> table, pid_t root) {
  std::set<pid_t> wanted{root};
  add_descendants(table, wanted);
  wanted.erase(root);
  return select(table, wanted);
}

std::vector<ProcessEntry> tree(std::span<const ProcessEntry> table, pid_t root) {
  std::set<pid_t> wanted{root};
  for (const auto& entry : table) {
    if (entry.session == root || entry.group == root) wanted.insert(entry.pid);
  }
  add_descendants(table, wanted);
  return select(table, wanted);
}

std::size_t signal_all(std::span<const ProcessEntry> entries, int signal_number) {
  std::size_t there = 0;
  for (const auto& entry : entries) {
    const auto pidfd = open_pidfd(entry.pid, entry.start_time);
    if (pidfd && signal(*pidfd, signal_number)) ++there;
  }
  return there;
}

}  // namespace fleet::os
