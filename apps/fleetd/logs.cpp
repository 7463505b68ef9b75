#include "logs.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "log_lines.hpp"
#include "plan/hook.hpp"

namespace fleet {
namespace {

struct InstanceLog {
  std::string instance;
  std::uint64_t release = 0, serial = 0;
  LogFile file;
};

struct Line {
  std::string time;  // RFC 3339: sorts as text
  api::LogLine line;
};

std::vector<InstanceLog> logs_of(const Paths& paths, const std::string& app) {
  std::vector<InstanceLog> logs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(paths.app_logs(app), error)) {
    if (entry.path().extension() != ".log") continue;
    InstanceLog log;
    log.instance = entry.path().stem().string();
    auto name = plan::parse_instance_name(log.instance);
    if (!name) name = plan::parse_hook_id(log.instance);
    auto file = look_at(entry.path().string());
    if (!name || !file) continue;
    log.release = name->release;
    log.serial = name->serial;
    log.file = std::move(*file);
    logs.push_back(std::move(log));
  }
  std::ranges::sort(logs, {}, &InstanceLog::serial);
  return logs;
}

// "<time> <o|e> <text>", as the shim writes it.
Line parse_line(const InstanceLog& log, std::string_view text) {
  Line line;
  const auto space = text.find(' ');
  if (space != std::string_view::npos && text.size() >= space + 3 && text[space + 2] == ' ') {
    line.time = text.substr(0, space);
    text.remove_prefix(space + 3);
  }
  line.line.instance = log.instance;
  line.line.release = log.release;
  line.line.text = text;
  return line;
}

// What came after `place`, which moves on: the rest of the file before the rotation first.
std::vector<std::string> news(const LogFile& file, Place& place) {
  if (place.inode != 0 && place.inode != file.inode) {
    const auto former = look_at(file.path + ".1");
    if (former && former->inode == place.inode && place.offset < former->size) {
      auto read = lines_from(*former, place.offset);
      place.offset = read.end;
      if (!read.lines.empty()) return std::move(read.lines);
    }
    place.offset = 0;
  }
  place.inode = file.inode;
  auto read = lines_from(file, place.offset);
  place.offset = read.end;
  return std::move(read.lines);
}

}  // namespace

Result<api::LogsView> read_logs(const Paths& paths, const std::string& app, const api::LogQuery& query) {
  TRY(auto places, read_cursor(query.cursor.empty() ? "-" : query.cursor));
  std::vector<Line> lines;
  for (const auto& log : logs_of(paths, app)) {
    if (query.release && log.release != *query.release) continue;
    auto& place = places[log.serial];
    std::vector<std::string> texts;
    if (query.cursor.empty()) {
      auto read = lines_at_end(log.file, query.lines);
      place = {read.end, log.file.inode};
      texts = std::move(read.lines);
    } else {
      texts = news(log.file, place);
    }
    for (const auto& text : texts) lines.push_back(parse_line(log, text));
  }
  std::ranges::stable_sort(lines, {}, &Line::time);
  if (query.cursor.empty() && lines.size() > query.lines) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(query.lines));
  }
  api::LogsView view;
  view.cursor = write_cursor(places);
  for (auto& line : lines) view.lines.push_back(std::move(line.line));
  return view;
}

std::vector<std::string> last_lines(const Paths& paths, const std::string& app, const std::string& instance, std::size_t count) {
  std::vector<std::string> texts;
  for (const auto& log : logs_of(paths, app)) {
    if (log.instance != instance) continue;
    for (const auto& text : lines_at_end(log.file, count).lines) texts.push_back(parse_line(log, text).line.text);
  }
  return texts;
}

void prune_logs(const Paths& paths, const std::string& app, const std::vector<std::string>& kept, std::size_t spare) {
  auto logs = logs_of(paths, app);
  std::erase_if(logs, [&](const auto& log) { return std::ranges::find(kept, log.instance) != kept.end(); });
  if (logs.size() <= spare) return;
  logs.resize(logs.size() - spare);
  std::set<std::string> instances;
  for (const auto& log : logs) instances.insert(log.instance);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(paths.app_logs(app), error)) {  // with what was put aside
    const auto file = entry.path().filename().string();
    const auto end = file.find(".log");
    if (end != std::string::npos && instances.contains(file.substr(0, end))) ::unlink(entry.path().c_str());
  }
}

}  // namespace fleet
