#include "file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>

namespace fleet {
namespace {

constexpr std::uint32_t kChanges = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB |
                                   IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr int kMaxSymlinks = 40;

std::deque<std::string> parts_of(const std::filesystem::path& path) {
  std::deque<std::string> parts;
  for (const auto& part : path.relative_path()) {
    if (!part.empty() && part != ".") parts.push_back(part.string());
  }
  return parts;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> places_of(const std::string& file) {
  std::vector<std::pair<std::string, std::string>> places;
  std::filesystem::path at = "/";
  auto left = parts_of(file);
  for (int symlinks = 0; !left.empty();) {
    const auto name = left.front();
    left.pop_front();
    if (name == "..") {
      at = at.parent_path();
      continue;
    }
    std::error_code error;
    const auto target = std::filesystem::read_symlink(at / name, error);
    const bool is_symlink = !error && ++symlinks <= kMaxSymlinks;
    const bool is_missing = error == std::errc::no_such_file_or_directory;
    if (is_symlink || is_missing || left.empty()) places.emplace_back(at.string(), name);
    if (is_missing) break;
    if (!is_symlink) {
      at /= name;
      continue;
    }
    const auto further = parts_of(target);
    left.insert(left.begin(), further.begin(), further.end());
    if (target.is_absolute()) at = "/";
  }
  return places;
}

FileWatch::FileWatch(net::asio::io_context& io, std::function<void()> changed) : inotify_(io), changed_(std::move(changed)) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return;
  inotify_.assign(fd);
  wait();
}

bool FileWatch::watch(const std::vector<std::string>& files) {
  if (!inotify_.is_open()) return false;
  std::map<int, std::set<std::string>> wanted;
  bool all = true;
  for (const auto& file : files) {
    for (const auto& [folder, name] : places_of(file)) {
      const int number = ::inotify_add_watch(inotify_.native_handle(), folder.c_str(), kChanges);
      if (number >= 0) wanted[number].insert(name);
      all = all && number >= 0;
    }
  }
  for (const auto& [number, names] : watched_) {
    if (!wanted.contains(number)) ::inotify_rm_watch(inotify_.native_handle(), number);
  }
  watched_ = std::move(wanted);
  return all;
}

void FileWatch::wait() {
  inotify_.async_wait(net::asio::posix::descriptor_base::wait_read, [this](boost::system::error_code error) {
    if (error) return;
    take_events();
    wait();
  });
}

void FileWatch::take_events() {
  alignas(inotify_event) char buffer[16384];
  bool matters = false;
  for (;;) {
    const auto size = ::read(inotify_.native_handle(), buffer, sizeof buffer);
    if (size <= 0) break;
    for (const char* at = buffer; at < buffer + size;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof event);
      const auto folder = watched_.find(event.wd);
      const bool of_folder = event.len == 0 && (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
      const bool lost = (event.mask & IN_Q_OVERFLOW) != 0;
      matters = matters || lost ||
                (folder != watched_.end() && (of_folder || (event.len > 0 && folder->second.contains(at + sizeof event))));
      at += sizeof event + event.len;
    }
  }
  if (matters) changed_();
}

}  // namespace fleet
