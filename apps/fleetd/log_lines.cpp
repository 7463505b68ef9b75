#include "log_lines.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "os/fd.hpp"

namespace fleet {
namespace {

constexpr std::size_t kMaxRead = 1u << 20;

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

LinesRead whole_lines(const LogFile& file, std::uint64_t from, bool skip_partial) {
  const auto bytes = read_range(file.path, from, std::min<std::uint64_t>(kMaxRead, file.size - from));
  std::string_view rest = bytes;
  if (skip_partial) rest.remove_prefix(std::min(rest.size(), rest.find('\n') + 1));
  LinesRead read;
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    read.lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  read.end = from + bytes.size() - rest.size();
  read.from_start = from == 0;
  read.to_end = file.size - from <= kMaxRead;
  return read;
}

}  // namespace

std::optional<LogFile> look_at(std::string path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return LogFile{std::move(path), static_cast<std::uint64_t>(info.st_size), info.st_ino};
}

// Where the file is shorter than that it was cut.
LinesRead lines_from(const LogFile& file, std::uint64_t from) {
  return whole_lines(file, from > file.size ? 0 : from, false);
}

LinesRead lines_at_end(const LogFile& file, std::size_t at_most) {
  const auto from = file.size > kMaxRead ? file.size - kMaxRead : 0;
  auto read = whole_lines(file, from, from > 0);
  auto& lines = read.lines;
  if (lines.size() > at_most) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(at_most));
  return read;
}

// "117=2048:7654,118=0:7655": by number, how far was read of which inode.
std::string write_cursor(const Places& places) {
  std::string text;
  for (const auto& [number, place] : places) {
    text += (text.empty() ? "" : ",") + std::to_string(number) + "=" + std::to_string(place.offset) + ":" +
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
    const auto number = to_number(part.substr(0, equals));
    const auto offset = whole ? to_number(part.substr(equals + 1, colon - equals - 1)) : std::nullopt;
    const auto inode = whole ? to_number(part.substr(colon + 1)) : std::nullopt;
    if (!number || !offset || !inode) return fail(ErrorKind::usage, "cursor is not one of ours");
    places[*number] = {*offset, *inode};
  }
  return places;
}

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

}  // namespace fleet
