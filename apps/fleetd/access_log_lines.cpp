// What stands in an app's access log, through whatever rotations: a file is known by its inode, since fleetd and logrotate
// give it other names.
#include <algorithm>
#include <filesystem>

#include "log_lines.hpp"
#include "logs.hpp"

namespace fleet {
namespace {

struct Part {
  LogFile file;
  std::optional<std::uint64_t> age;  // access.log: 0, access.log.1: 1; nothing: of another name
};

// The oldest first; before them those of other names.
std::vector<Part> parts_of(const Paths& paths, const std::string& app) {
  const auto current = std::filesystem::path(paths.access_log(app));
  std::vector<Part> parts;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(current.parent_path(), error)) {
    auto name = entry.path().filename().string();
    if (!name.starts_with(current.filename().string())) continue;
    auto file = look_at(entry.path().string());
    if (!file) continue;
    name.erase(0, current.filename().string().size());
    const auto age = name.empty() ? 0 : name.starts_with('.') ? to_number(std::string_view(name).substr(1)) : std::nullopt;
    parts.push_back({std::move(*file), age});
  }
  std::ranges::sort(parts, [](const Part& a, const Part& b) {
    return std::pair(a.age.has_value(), b.age.value_or(0)) < std::pair(b.age.has_value(), a.age.value_or(0));
  });
  return parts;
}

// The newest lines of them all.
std::vector<std::string> tail(const std::vector<Part>& parts, std::size_t at_most, Places& places) {
  std::vector<std::string> lines;
  std::uint64_t age = 0;
  for (auto part = parts.rbegin(); part != parts.rend() && part->age == age && lines.size() < at_most; ++part, ++age) {
    auto read = lines_at_end(part->file, at_most - lines.size());
    places[part->file.inode] = {read.end, part->file.inode};
    lines.insert(lines.begin(), std::move_iterator(read.lines.begin()), std::move_iterator(read.lines.end()));
    if (!read.from_start) break;
  }
  return lines;
}

// What came since. Files that took the log's name after the newest that is known are read from their beginning.
std::vector<std::string> news(const std::vector<Part>& parts, Places& places) {
  std::uint64_t newest_known = 1;
  for (const auto& part : parts) {
    if (part.age && places.contains(part.file.inode)) newest_known = *part.age;
  }
  std::vector<std::string> lines;
  Places next;
  std::vector<std::uint64_t> read_so_far;
  bool behind = false;
  for (const auto& part : parts) {
    const auto inode = part.file.inode;
    const auto known = places.find(inode);
    if (known == places.end() && !(part.age && *part.age < newest_known)) continue;
    auto& place = next[inode] = known == places.end() ? Place{0, inode} : known->second;
    read_so_far.push_back(inode);
    if (behind) continue;
    auto read = lines_from(part.file, place.offset);
    std::ranges::move(read.lines, std::back_inserter(lines));
    place.offset = read.end;
    behind = !read.to_end;
  }
  // Workers write on to the file before the newest for a moment, and to none before that.
  for (std::size_t i = 0; !behind && i + 2 < read_so_far.size(); ++i) next.erase(read_so_far[i]);
  places = std::move(next);
  return lines;
}

}  // namespace

Result<api::LogsView> read_access_log(const Paths& paths, const std::string& app, const api::LogQuery& query) {
  TRY(auto places, read_cursor(query.cursor.empty() ? "-" : query.cursor));
  auto parts = parts_of(paths, app);
  const auto is_there = [&](const auto& known) {
    return std::ranges::any_of(parts, [&](const Part& part) { return part.file.inode == known.first; });
  };
  // Somebody may have renamed one while the folder was read.
  if (!std::ranges::all_of(places, is_there)) parts = parts_of(paths, app);
  auto lines = query.cursor.empty() ? tail(parts, query.lines, places) : news(parts, places);
  api::LogsView view;
  view.cursor = write_cursor(places);
  for (auto& line : lines) view.lines.push_back({"", 0, std::move(line)});
  return view;
}

}  // namespace fleet
