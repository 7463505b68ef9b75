#include "log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "core/result.hpp"
#include "lines.hpp"

namespace fleet::shim {
namespace {

constexpr std::uint32_t kMostKept = 1000;

}  // namespace

LogFile::LogFile(std::string path, std::uint64_t max_bytes, std::uint32_t keep)
    : path_(std::move(path)), max_bytes_(max_bytes), keep_(std::min(keep, kMostKept)) {}

void LogFile::write(std::string_view lines) {
  while (!lines.empty()) {
    if (path_.empty() || !ready() || !report_dropped()) return drop(lines);
    const std::string_view part = fitting(lines);
    if (part.empty()) {
      if (!rotate()) return drop(lines);
      continue;
    }
    const std::size_t written = append(part);
    lines.remove_prefix(written);
    if (written < part.size()) return drop(lines);
  }
}

// Opens the file where that is needed: at first, after a rotation, and when somebody has removed it.
bool LogFile::ready() {
  struct stat is {};
  if (file_ && ::fstat(file_.get(), &is) == 0 && is.st_nlink > 0) {
    size_ = static_cast<std::uint64_t>(is.st_size);
    return true;
  }
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640));
  if (!file_ || ::fstat(file_.get(), &is) != 0) {
    error_ = errno;
    return false;
  }
  size_ = static_cast<std::uint64_t>(is.st_size);
  return true;
}

// As many lines as the file has room for; into an empty one at least one.
std::string_view LogFile::fitting(std::string_view lines) const {
  const std::uint64_t room = max_bytes_ > size_ ? max_bytes_ - size_ : 0;
  if (lines.size() <= room) return lines;
  const std::size_t end = room == 0 ? lines.npos : lines.rfind('\n', static_cast<std::size_t>(room) - 1);
  if (end != lines.npos) return lines.substr(0, end + 1);
  return size_ == 0 ? lines.substr(0, lines.find('\n') + 1) : std::string_view();
}

bool LogFile::rotate() {
  const auto older = [&](std::uint32_t n) { return path_ + "." + std::to_string(n); };
  for (std::uint32_t n = keep_; n > 1; --n) ::rename(older(n - 1).c_str(), older(n).c_str());
  const int result = keep_ > 0 ? ::rename(path_.c_str(), older(1).c_str()) : ::unlink(path_.c_str());
  if (result != 0) {
    error_ = errno;
    return false;
  }
  file_.reset();
  return true;
}

bool LogFile::report_dropped() {
  if (dropped_ == 0) return true;
  const std::string line = timestamp(std::chrono::system_clock::now()) + " e fleet-shim: " + std::to_string(dropped_) +
                           " lines were dropped" + fail_errno("", error_).error().text + "\n";
  if (append(line) < line.size()) return false;
  dropped_ = 0;
  return true;
}

// Returns how many bytes are in the file now; always up to the end of a line.
std::size_t LogFile::append(std::string_view lines) {
  std::size_t written = 0;
  while (written < lines.size()) {  // a short write is followed by the error that cut it
    const ssize_t result = ::write(file_.get(), lines.data() + written, lines.size() - written);
    if (result < 0) break;
    written += static_cast<std::size_t>(result);
  }
  std::size_t whole = written;
  if (written < lines.size()) {
    error_ = errno;
    whole = lines.substr(0, written).rfind('\n') + 1;
    if (whole < written && ::ftruncate(file_.get(), static_cast<off_t>(size_ + whole)) != 0) error_ = errno;
  }
  size_ += whole;
  return whole;
}

void LogFile::drop(std::string_view lines) {
  dropped_ += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace fleet::shim
