#include "logs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include "os/fd.hpp"

namespace fleet {
namespace {

// Of one file in one answer; lines before are left out, or come with the next cursor.
constexpr std::size_t kMaxRead = 1u << 20;

struct File {
  std::string instance, path;
  std::uint64_t release = 0, serial = 0;
  std::uint64_t size = 0, inode = 0;
};

// How far one instance's log was read; the inode tells whether it was rotated since.
struct Place {
  std::uint64_t offset = 0, inode = 0;
};
using Places = std::map<std::uint64_t, Place>;  // by serial

struct Line {
  std::string time;  // RFC 3339: sorts as text
  api::LogLine line;
};

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

// "shop-v42-117" -> 42, 117
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_id(std::string_view id) {
  const auto dash = id.rfind('-'), mark = id.rfind("-v", dash);
  if (dash == std::string_view::npos || mark == std::string_view::npos) return std::nullopt;
  const auto release = to_number(id.substr(mark + 2, dash - mark - 2)), serial = to_number(id.substr(dash + 1));
  if (!release || !serial) return std::nullopt;
  return std::pair(*release, *serial);
}

// Nothing if it is no file.
std::optional<File> look_at(File file) {
  struct stat info {};
  if (::lstat(file.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  file.size = static_cast<std::uint64_t>(info.st_size);
  file.inode = info.st_ino;
  return file;
}

std::vector<File> files_of(const Paths& paths, const std::string& app) {
  std::vector<File> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(paths.app_logs(app), error)) {
    if (entry.path().extension() != ".log") continue;
    File file{entry.path().stem().string(), entry.path().string()};
    const auto numbers = parse_id(file.instance);
    if (!numbers) continue;
    std::tie(file.release, file.serial) = *numbers;
    if (auto seen = look_at(std::move(file))) files.push_back(std::move(*seen));
  }
  std::ranges::sort(files, {}, &File::serial);
  return files;
}

std::string read_range(const std::string& path, std::uint64_t from, std::size_t length) {
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::string bytes(length, '\0');
  std::size_t have = 0;
  while (fd && have < length) {
    const auto got = ::pread(fd.get(), bytes.data() + have, length - have, static_cast<off_t>(from + have));
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

// "<time> <o|e> <text>", as the shim writes it.
Line parse_line(const File& file, std::string_view text) {
  Line line;
  const auto space = text.find(' ');
  if (space != std::string_view::npos && text.size() >= space + 3 && text[space + 2] == ' ') {
    line.time = text.substr(0, space);
    text.remove_prefix(space + 3);
  }
  line.line.instance = file.instance;
  line.line.release = file.release;
  line.line.text = text;
  return line;
}

// Whole lines in [from, ...), at most kMaxRead bytes of them, and where they end.
std::pair<std::vector<Line>, std::uint64_t> lines_from(const File& file, std::uint64_t from, bool skip_partial) {
  const auto bytes = read_range(file.path, from, std::min<std::uint64_t>(kMaxRead, file.size - from));
  std::string_view rest = bytes;
  if (skip_partial) rest.remove_prefix(std::min(rest.size(), rest.find('\n') + 1));
  std::vector<Line> lines;
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    lines.push_back(parse_line(file, rest.substr(0, end)));
    rest.remove_prefix(end + 1);
  }
  return {std::move(lines), from + bytes.size() - rest.size()};
}

std::vector<Line> tail(const File& file, std::size_t count, std::uint64_t& end) {
  const auto from = file.size > kMaxRead ? file.size - kMaxRead : 0;
  auto [lines, stop] = lines_from(file, from, from > 0);
  end = stop;
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return std::move(lines);
}

// What came after `place`, which moves on: the rest of the file before the rotation first.
std::vector<Line> news(const File& file, Place& place) {
  std::vector<Line> lines;
  if (place.inode != 0 && place.inode != file.inode) {
    auto rotated = file;
    rotated.path += ".1";
    const auto former = look_at(std::move(rotated));
    if (former && former->inode == place.inode && place.offset < former->size) {
      std::tie(lines, place.offset) = lines_from(*former, place.offset, false);
      if (!lines.empty()) return lines;
    }
    place.offset = 0;
  }
  if (place.offset > file.size) place.offset = 0;  // it was cut
  place.inode = file.inode;
  std::tie(lines, place.offset) = lines_from(file, place.offset, false);
  return lines;
}

// "117=2048:7654,118=0:7655": by serial, how far was read of which inode.
std::string write_cursor(const Places& places) {
  std::string text;
  for (const auto& [serial, place] : places) {
    text += (text.empty() ? "" : ",") + std::to_string(serial) + "=" + std::to_string(place.offset) + ":" +
            std::to_string(place.inode);
  }
  return text.empty() ? "-" : text;
}

Result<Places> read_cursor(std::string_view text) {
  Places places;
  if (text == "-") return places;
  while (!text.empty()) {
    const auto part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const auto equals = part.find('='), colon = part.find(':');
    const bool whole = equals != part.npos && colon != part.npos && equals < colon;
    const auto serial = to_number(part.substr(0, equals));
    const auto offset = whole ? to_number(part.substr(equals + 1, colon - equals - 1)) : std::nullopt;
    const auto inode = whole ? to_number(part.substr(colon + 1)) : std::nullopt;
    if (!serial || !offset || !inode) return fail(ErrorKind::usage, "cursor is not one of ours");
    places[*serial] = {*offset, *inode};
  }
  return places;
}

}  // namespace

Result<api::LogsView> read_logs(const Paths& paths, const std::string& app, const api::LogQuery& query) {
  TRY(auto places, read_cursor(query.cursor.empty() ? "-" : query.cursor));
  std::vector<Line> lines;
  for (const auto& file : files_of(paths, app)) {
    if (query.release && file.release != *query.release) continue;
    auto& place = places[file.serial];
    std::vector<Line> more;
    if (query.cursor.empty()) {
      place.inode = file.inode;
      more = tail(file, query.lines, place.offset);
    } else {
      more = news(file, place);
    }
    std::ranges::move(more, std::back_inserter(lines));
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
  for (const auto& file : files_of(paths, app)) {
    if (file.instance != instance) continue;
    std::uint64_t end = 0;
    for (auto& line : tail(file, count, end)) texts.push_back(std::move(line.line.text));
  }
  return texts;
}

void prune_logs(const Paths& paths, const std::string& app, const std::vector<std::string>& kept, std::size_t spare) {
  auto files = files_of(paths, app);
  std::erase_if(files, [&](const File& f) { return std::ranges::find(kept, f.instance) != kept.end(); });
  if (files.size() <= spare) return;
  files.resize(files.size() - spare);
  for (const auto& file : files) {
    ::unlink(file.path.c_str());
    ::unlink((file.path + ".1").c_str());
  }
}

}  // namespace fleet
