#include "log_archive.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "child.hpp"
#include "clock.hpp"
#include "log_lines.hpp"
#include "os/fd.hpp"
#include "os/process.hpp"
#include "plan/instance.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Wall = std::chrono::system_clock;

constexpr auto kRest = 60s;           // since the last line
constexpr auto kBetweenLooks = 10s;
constexpr auto kAfterFailure = 10min;
constexpr milliseconds kAtMost = 10min;  // for one file
constexpr std::string_view kGz = ".gz";

// "shop-v4-76.log.1" is of "shop-v4-76.log", and put aside; "shop-v4-76.log.20261123T101500.000Z.gz" compressed too.
struct PutAside {
  std::string log;
  bool compressed = false;
};

std::optional<PutAside> put_aside(const std::string& name) {
  const auto dot = name.find(".log.");
  if (dot == std::string::npos || !plan::parse_instance_name(name.substr(0, dot))) return std::nullopt;
  const auto rest = std::string_view(name).substr(dot + 5);
  const bool compressed = rest.ends_with(kGz);
  if (!compressed && !to_number(rest)) return std::nullopt;
  return PutAside{name.substr(0, dot + 4), compressed};
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

Wall::time_point last_written(const struct stat& file) {
  return Wall::time_point(std::chrono::duration_cast<Wall::duration>(std::chrono::seconds(file.st_mtim.tv_sec) +
                                                                     std::chrono::nanoseconds(file.st_mtim.tv_nsec)));
}

// "20261123T101500.123Z"
std::string time_in_name(Wall::time_point time) {
  auto text = wall_time(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

void be_idle() {
  ::setpriority(PRIO_PROCESS, 0, 19);
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_IDLE, &none);
  constexpr int kOfProcess = 1, kIdle = 3 << 13;  // ioprio_set(2), which has no header that agrees with others
  ::syscall(SYS_ioprio_set, kOfProcess, 0, kIdle);
}

Result<> compress(const os::Fd& from, const os::Fd& to, const std::string& name) {
  const int copy = ::fcntl(to.get(), F_DUPFD_CLOEXEC, 3);
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> out(::gzdopen(copy, "wb6"), [](gzFile file) { return ::gzclose(file); });
  if (!out) {
    if (copy >= 0) ::close(copy);
    return fail("cannot compress " + name);
  }
  char buffer[64 << 10];
  for (;;) {
    const auto got = ::read(from.get(), buffer, sizeof buffer);
    if (got < 0) return fail_errno("cannot read " + name, errno);
    if (got == 0) break;
    if (::gzwrite(out.get(), buffer, static_cast<unsigned>(got)) != got) return fail_errno("cannot compress " + name, errno);
  }
  if (::gzflush(out.get(), Z_FINISH) != Z_OK) return fail_errno("cannot compress " + name, errno);
  return {};
}

// The file of this inode, whatever number it has now. Moved before it is looked at again, as the shim may give its name to
// another at any instant.
void remove_put_aside(const std::string& folder, const std::string& log, ino_t inode) {
  const auto apart = folder + "/." + log + ".done";
  for (const auto& name : names_in(folder)) {
    const auto known = put_aside(name);
    const auto path = folder + "/" + name;
    struct stat is {};
    if (!known || known->compressed || known->log != log) continue;
    if (::lstat(path.c_str(), &is) != 0 || is.st_ino != inode || ::rename(path.c_str(), apart.c_str()) != 0) continue;
    if (::lstat(apart.c_str(), &is) == 0 && is.st_ino == inode) ::unlink(apart.c_str());
    else ::renameat2(AT_FDCWD, apart.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
  }
}

}  // namespace

std::vector<std::string> to_compress(const std::string& folder, Wall::time_point now) {
  std::vector<std::string> paths;
  for (const auto& name : names_in(folder)) {
    const auto known = put_aside(name);
    const auto path = folder + "/" + name;
    struct stat is {};
    if (!known || known->compressed || ::lstat(path.c_str(), &is) != 0 || !S_ISREG(is.st_mode)) continue;
    if (now - last_written(is) >= kRest) paths.push_back(path);
  }
  return paths;
}

void prune_archives(const std::string& folder, std::uint32_t keep) {
  std::map<std::string, std::size_t> plain;
  std::map<std::string, std::vector<std::string>> archives;  // by name, hence the oldest first
  for (const auto& name : names_in(folder)) {
    const auto known = put_aside(name);
    if (known && known->compressed) archives[known->log].push_back(name);
    if (known && !known->compressed) ++plain[known->log];
  }
  for (const auto& [log, names] : archives) {
    const auto all = names.size() + plain[log];
    const auto over = std::min(names.size(), all > keep ? all - keep : 0);
    for (std::size_t i = 0; i < over; ++i) ::unlink((folder + "/" + names[i]).c_str());
  }
}

Result<> compress_log(const std::string& path) {
  be_idle();
  const auto folder = fs::path(path).parent_path().string();
  const auto known = put_aside(fs::path(path).filename().string());
  if (!known || known->compressed) return fail(ErrorKind::usage, path + ": not a log that was put aside");
  const os::Fd from(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat is {};
  if (!from || ::fstat(from.get(), &is) != 0) return fail_errno("cannot open " + path, errno);

  const auto unfinished = folder + "/." + known->log + ".gz";
  const os::Fd to(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!to) return fail_errno("cannot create " + unfinished, errno);
  if (::flock(to.get(), LOCK_EX | LOCK_NB) != 0) return fail(ErrorKind::busy, unfinished + ": another writes it");
  auto compressed = ::ftruncate(to.get(), 0) == 0 ? compress(from, to, path) : fail_errno("cannot empty " + unfinished, errno);
  const timespec times[2] = {is.st_mtim, is.st_mtim};
  if (compressed && (::fdatasync(to.get()) != 0 || ::futimens(to.get(), times) != 0)) {
    compressed = fail_errno("cannot write " + unfinished, errno);
  }
  const auto archive = folder + "/" + known->log + "." + time_in_name(last_written(is)) + std::string(kGz);
  if (compressed && ::rename(unfinished.c_str(), archive.c_str()) != 0) compressed = fail_errno("cannot create " + archive, errno);
  if (!compressed) {
    ::unlink(unfinished.c_str());
    return compressed;
  }
  remove_put_aside(folder, known->log, is.st_ino);
  return {};
}

net::Task<> keep_logs_compressed(net::asio::io_context& io, const Paths& paths, std::function<const Config&()> config) {
  net::Timer timer(io);
  for (auto pause = std::chrono::seconds(kBetweenLooks);; pause = kBetweenLooks) {
    timer.expires_after(pause);
    auto [error] = co_await timer.async_wait(net::use_result);
    if (error) co_return;
    std::vector<std::string> files;
    for (const auto& app : config().apps) {
      if (app.log.compress == LogCompression::none) continue;
      const auto folder = paths.app_logs(app.name);
      prune_archives(folder, app.log.keep);
      for (auto& file : to_compress(folder, Wall::now())) files.push_back(std::move(file));
    }
    for (const auto& file : files) {
      os::Spawn spawn;
      spawn.argv = {paths.programs + "/fleetd", "--compress-log", file};
      spawn.parent_death_signal = SIGKILL;
      auto status = co_await run_child(io, std::move(spawn), kAtMost);
      if (status && status->code == 0) continue;
      spdlog::warn("a log is not compressed file={}: {}", file,
                   status ? "exit code " + std::to_string(status->code) : status.error().text);
      pause = kAfterFailure;
      break;
    }
  }
}

}  // namespace fleet
