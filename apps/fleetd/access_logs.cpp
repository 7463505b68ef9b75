#include "access_logs.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace fleet {
namespace {

os::Fd open_file(const std::string& path) {
  return os::Fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
}

bool is_file_at(const struct stat& open, const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0 && found.st_dev == open.st_dev && found.st_ino == open.st_ino;
}

// access.log.1 -> access.log.2, and so on; the last falls off, and with it those of a time when more were kept.
void put_aside(const std::string& path, std::uint32_t keep) {
  const auto numbered = [&](std::uint32_t number) { return number == 0 ? path : path + "." + std::to_string(number); };
  for (auto number = keep; number > 0; --number) ::rename(numbered(number - 1).c_str(), numbered(number).c_str());
  if (keep == 0) ::unlink(path.c_str());
  for (auto number = keep + 1; ::unlink(numbered(number).c_str()) == 0;) ++number;
}

}  // namespace

int AccessLogFiles::open(const std::string& app) {
  const auto [entry, first] = files_.try_emplace(app);
  auto& file = entry->second;
  if (file) return file.get();
  file = open_file(paths_.access_log(app));
  if (!file && first) spdlog::error("cannot open an access log file={}: {}", paths_.access_log(app), std::strerror(errno));
  return file ? file.get() : -1;
}

std::vector<std::string> AccessLogFiles::tend(const Rotation& rotation, bool all) {
  std::vector<std::string> anew;
  for (auto& [app, file] : files_) {
    const auto path = paths_.access_log(app);
    struct stat info {};
    const bool known = file && ::fstat(file.get(), &info) == 0 && is_file_at(info, path);
    const bool too_large = known && static_cast<std::uint64_t>(info.st_size) >= rotation.size;
    if (known && !too_large && !all) continue;
    if (too_large) put_aside(path, rotation.keep);
    auto opened = open_file(path);
    if (!opened) continue;
    file = std::move(opened);
    anew.push_back(app);
  }
  return anew;
}

void AccessLogFiles::keep_only(const std::set<std::string>& apps) {
  std::erase_if(files_, [&](const auto& entry) { return !apps.contains(entry.first); });
}

}  // namespace fleet
