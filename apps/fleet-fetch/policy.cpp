#include "policy.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kLongestPath = 4000, kLongestPart = 255;

std::unexpected<Error> refused(const std::string& name, const std::string& why) {
  return fail(ErrorKind::verify, "archive entry refused: " + printable(name) + ": " + why);
}

bool has_control_bytes(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// Parts between slashes; empty and "." parts are left out.
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const auto part = path.substr(0, end);
    if (!part.empty() && part != ".") out.emplace_back(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return out;
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : "/") + part;
  return out;
}

// `what` is the entry's name or its link's target.
Result<std::vector<std::string>> checked_parts(const Entry& entry, std::string_view what, const char* which) {
  const std::string of = which;
  if (what.empty()) return refused(entry.name, of + " is empty");
  if (has_control_bytes(what)) return refused(entry.name, of + " has control characters");
  if (!is_utf8(what)) return refused(entry.name, of + " is not UTF-8");
  if (what.front() == '/') return refused(entry.name, of + " is absolute");
  if (what.size() > kLongestPath) return refused(entry.name, of + " is too long");
  auto parts = parts_of(what);
  for (const auto& part : parts) {
    if (part.size() > kLongestPart) return refused(entry.name, of + " is too long");
  }
  return parts;
}

Result<std::string> normal_path(const Entry& entry, std::string_view what, const char* which) {
  TRY(const auto parts, checked_parts(entry, what, which));
  if (std::find(parts.begin(), parts.end(), "..") != parts.end()) {
    return refused(entry.name, std::string(which) + " has a '..'");
  }
  return join(parts);
}

std::size_t depth_of(const std::string& path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) + 1;
}

}  // namespace

std::string folded(std::string_view utf8) {
  utf8proc_uint8_t* text = nullptr;
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()),
                                 static_cast<utf8proc_ssize_t>(utf8.size()), &text, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(text, std::free);
  if (size < 0) return std::string(utf8);
  return std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
}

Result<Admitted> Policy::admit(const Entry& entry) {
  Admitted out;
  TRY(out.path, normal_path(entry, entry.name, "its name"));
  if (entry.kind == EntryKind::special) return refused(entry.name, "it is a device, fifo or socket");
  if (entry.kind == EntryKind::file && (entry.mode & 06000) != 0) return refused(entry.name, "it is setuid or setgid");
  if (out.path.empty()) {
    if (entry.kind != EntryKind::folder) return refused(entry.name, "its name is no file's name");
    return out;
  }
  if (depth_of(out.path) > limits_.depth) {
    return refused(entry.name, "deeper than " + std::to_string(limits_.depth) + " folders");
  }
  TRYV(admit_parents(entry, out));
  if (entry.kind == EntryKind::symlink) {
    TRYV(check_symlink(entry, out.path));
    out.link = entry.link;
  } else if (entry.kind == EntryKind::hardlink) {
    TRY(out.link, check_hardlink(entry));
  }
  out.mode = entry.mode & 0755;
  TRYV(admit_itself(entry, out));
  return out;
}

Result<> Policy::admit_parents(const Entry& entry, Admitted& out) {
  for (auto slash = out.path.find('/'); slash != out.path.npos; slash = out.path.find('/', slash + 1)) {
    const std::string parent = out.path.substr(0, slash);
    TRY(const Known* known, remember(entry, parent, EntryKind::folder));
    if (!known) {
      out.new_folders.push_back(parent);
    } else if (known->kind != EntryKind::folder) {
      return refused(entry.name, "it passes through " + printable(parent) + ", which is no folder");
    }
  }
  return {};
}

Result<> Policy::admit_itself(const Entry& entry, Admitted& out) {
  TRY(const Known* known, remember(entry, out.path, entry.kind));
  out.is_known_folder = known && known->kind == EntryKind::folder;
  if (known && !(out.is_known_folder && entry.kind == EntryKind::folder)) return refused(entry.name, "it comes twice");
  return {};
}

Result<const Policy::Known*> Policy::remember(const Entry& entry, const std::string& path, EntryKind kind) {
  const auto [at, is_new] = known_.try_emplace(folded(path), Known{path, kind});
  if (!is_new) {
    if (at->second.path == path) return &at->second;
    return refused(entry.name,
                   "it clashes with " + printable(at->second.path) + " (same but for case or accents' form)");
  }
  if (++entries_ > limits_.entries) {
    return refused(entry.name, "more than " + std::to_string(limits_.entries) + " entries");
  }
  return nullptr;
}

// '..' is admitted only in front: from there it climbs real folders, since no admitted name passes through a link.
// After a name it would climb from wherever that name leads, which the text does not tell.
Result<> Policy::check_symlink(const Entry& entry, const std::string& path) const {
  TRY(const auto parts, checked_parts(entry, entry.link, "its link's target"));
  const auto first_name = std::find_if(parts.begin(), parts.end(), [](const auto& part) { return part != ".."; });
  if (static_cast<std::size_t>(first_name - parts.begin()) > depth_of(path) - 1) {
    return refused(entry.name, "its link leads out of the archive: " + printable(entry.link));
  }
  if (std::find(first_name, parts.end(), "..") != parts.end()) {
    return refused(entry.name, "its link has a '..' after a name: " + printable(entry.link));
  }
  return {};
}

Result<std::string> Policy::check_hardlink(const Entry& entry) const {
  TRY(auto target, normal_path(entry, entry.link, "its link's target"));
  const auto known = known_.find(folded(target));
  const bool is_file = known != known_.end() && known->second.path == target &&
                       (known->second.kind == EntryKind::file || known->second.kind == EntryKind::hardlink);
  if (!is_file) return refused(entry.name, "it is a hard link to no earlier file: " + printable(entry.link));
  return target;
}

Result<> Policy::grow(std::string_view name, std::uint64_t bytes) {
  if (bytes > limits_.bytes || bytes_ > limits_.bytes - bytes) {
    return refused(std::string(name), "more than " + std::to_string(limits_.bytes) + " bytes unpacked");
  }
  bytes_ += bytes;
  // Division, since the product could overflow.
  if (bytes_ > kRatioFloor && bytes_ / std::max(limits_.ratio, 1u) > packed_bytes_) {
    return refused(std::string(name), "it unpacks to more than " + std::to_string(limits_.ratio) + " times its size");
  }
  return {};
}

}  // namespace fleet::fetch
