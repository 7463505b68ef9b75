// Hostile archives' entries, in any order: what is admitted is written within the release, passes through no link, and
// no link leads out, whatever it is followed by. Lines: a letter for the kind, the name, and after a | the link's target.
#include "policy.hpp"

#include <deque>
#include <map>
#include <vector>

#include "input.hpp"

using namespace fleet::fetch;
using fleet::fuzz::require;

namespace {

constexpr std::uint32_t kDepth = 8, kEntries = 64;

struct Written {
  EntryKind kind;
  std::string link;
};
using Release = std::map<std::string, Written>;

std::deque<std::string> parts_of(std::string_view path) {
  std::deque<std::string> out;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0 && path.substr(0, end) != ".") out.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : "/") + part;
  return out;
}

// As the kernel would walk it, with names that are not there taken for folders that may yet come.
bool stays_within(const Release& release, const std::string& path) {
  auto left = parts_of(path);
  std::vector<std::string> at;
  int links = 0;
  while (!left.empty()) {
    const auto part = left.front();
    left.pop_front();
    if (part == "..") {
      if (at.empty()) return false;
      at.pop_back();
      continue;
    }
    at.push_back(part);
    const auto known = release.find(joined(at));
    if (known == release.end() || known->second.kind != EntryKind::symlink) continue;
    if (++links > 40) return true;  // ELOOP
    if (known->second.link.starts_with('/')) return false;
    at.pop_back();
    const auto target = parts_of(known->second.link);
    left.insert(left.begin(), target.begin(), target.end());
  }
  return true;
}

void check_path(const std::string& path) {
  require(!path.starts_with('/') && !path.ends_with('/') && path.find("//") == path.npos, "a path is relative and normal");
  for (const auto& part : parts_of(path)) require(part != ".." && part.size() <= 255, "a part is a name");
  for (const unsigned char c : path) require(c >= 0x20 && c != 0x7f, "a path has no control characters");
  require(parts_of(path).size() <= kDepth, "a path is not too deep");
}

void write(Release& release, const Entry& entry, const Admitted& admitted) {
  for (const auto& folder : admitted.new_folders) {
    require(release.emplace(folder, Written{EntryKind::folder, ""}).second, "a new folder was not there");
  }
  if (admitted.path.empty() || admitted.is_known_folder) return;
  const auto slash = admitted.path.rfind('/');
  if (slash != admitted.path.npos) {
    const auto parent = release.find(admitted.path.substr(0, slash));
    require(parent != release.end() && parent->second.kind == EntryKind::folder, "what is written to is a folder");
  }
  require(entry.kind != EntryKind::special, "no device is written");
  require((admitted.mode & ~0755u) == 0, "nothing is setuid, or to be written by others");
  if (entry.kind == EntryKind::hardlink) {
    const auto target = release.find(admitted.link);
    require(target != release.end() && target->second.kind != EntryKind::folder &&
                target->second.kind != EntryKind::symlink, "a hard link is to a file");
  }
  require(release.emplace(admitted.path, Written{entry.kind, admitted.link}).second, "nothing is written over");
}

}  // namespace

FLEET_FUZZ_TARGET(input) {
  Policy policy({1u << 20, kEntries, kDepth, 200}, 1000);
  Release release;
  bool all_admitted = true;
  while (!input.rest().empty()) {
    const auto kind = input.byte();
    const auto line = input.line();
    const auto bar = std::min(line.find('|'), line.size());
    Entry entry;
    entry.name = line.substr(0, bar);
    entry.link = line.substr(std::min(bar + 1, line.size()));
    entry.kind = static_cast<EntryKind>(kind % 5);
    entry.mode = kind >= 128 ? 04777 : 0777;
    const auto admitted = policy.admit(entry);
    if (!admitted) {
      require(admitted.error().text.find('\n') == std::string::npos, "a refusal is one line");
      all_admitted = false;
      break;
    }
    if (!admitted->path.empty()) check_path(admitted->path);
    write(release, entry, *admitted);
  }
  std::map<std::string, std::string> folds;
  for (const auto& [path, written] : release) {
    require(folds.emplace(folded(path), path).second, "no two names are one elsewhere");
    if (written.kind == EntryKind::symlink) require(stays_within(release, path), "no link leads out");
  }
  require(release.size() <= kEntries, "there are not too many");
  require(!all_admitted || policy.entries() == release.size(), "every entry counts");
}
