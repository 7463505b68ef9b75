#include "takeover.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "api/server.hpp"
#include "child.hpp"
#include "config/load.hpp"
#include "core/json.hpp"
#include "os/atomic_file.hpp"
#include "os/process_tree.hpp"
#include "paths.hpp"
#include "store.hpp"
#include "wire/messages.hpp"

namespace fleet {
namespace {

constexpr milliseconds kCheckWithin{30'000};
constexpr std::size_t kMaxSaid = 4096;  // bytes of what a program that is tried says
constexpr const char* kHandedDown = "FLEETD_HANDED_DOWN";  // "NAME=FD,NAME=FD"
constexpr const char* kFormer = "FLEETD_FORMER_VERSION";

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(at), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  const std::string text = value ? value : "";
  ::unsetenv(name);
  return text;
}

std::string read_from_start(const os::Fd& file) {
  std::string text(kMaxSaid, '\0');
  const auto got = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) all.emplace_back(*entry);
  return all;
}

}  // namespace

// ---- trying --------------------------------------------------------------------------------------------------------

Result<Candidate> check_self(const std::string& config_file) {
  const auto config = config::load(config_file);
  if (!config) return std::unexpected(config.error().error());
  TRY(const Paths paths, Paths::of(*config));
  for (const auto* program : {"fleet-shim", "fleet-proxy", "fleet-fetch"}) {
    const auto path = paths.programs + "/" + program;
    if (::access(path.c_str(), X_OK) != 0) return fail_errno("cannot run " + path, errno);
  }
  TRYV(api::Server::check(config->api));
  TRYV(Store::check(paths.database()));
  return Candidate{FLEET_VERSION, wire::kProtocol, config->state_dir, config->run_dir};
}

net::Task<Result<Candidate>> check_program(net::asio::io_context& io, std::string program, std::string config_file) {
  const os::Fd out(::memfd_create("out", MFD_CLOEXEC)), err(::memfd_create("err", MFD_CLOEXEC));
  if (!out || !err) co_return fail_errno("cannot try " + program, errno);
  os::Spawn spawn;
  spawn.argv = {program, "--config", config_file, "--check"};
  spawn.env = own_environment();
  spawn.out = out.get();
  spawn.err = err.get();
  auto status = co_await run_child(io, std::move(spawn), kCheckWithin);
  const auto refuse = [&](std::string why) {
    return fail(ErrorKind::usage, program + " will not do: " + why + "; fleetd goes on as it is");
  };
  if (!status) co_return refuse(status.error().text);
  if (status->code != 0) {
    const auto said = read_from_start(err);
    co_return refuse("it exited with code " + std::to_string(status->code) + (said.empty() ? "" : ": " + said));
  }
  Candidate candidate;
  const auto document = json::Json::parse(read_from_start(out), nullptr, false);
  if (document.is_discarded() || !json::read(document, candidate)) co_return refuse("it is no fleetd");
  co_return candidate;
}

Result<ProgramFile> look_at_program(const std::string& path) {
  struct stat is {};
  if (!path.starts_with('/')) return fail(ErrorKind::usage, path + ": not an absolute path");
  if (::stat(path.c_str(), &is) != 0) return fail(ErrorKind::usage, fail_errno("cannot use " + path, errno).error().text);
  if (!S_ISREG(is.st_mode) || ::access(path.c_str(), X_OK) != 0) return fail(ErrorKind::usage, path + ": not a program");
  const bool of_others = is.st_uid != 0 && is.st_uid != ::geteuid();
  if (of_others || (is.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(ErrorKind::denied, path + ": others than root and fleetd's user can change it");
  }
  return ProgramFile{is.st_dev, is.st_ino, static_cast<std::uint64_t>(is.st_size),
                     is.st_ctim.tv_sec * 1'000'000'000 + is.st_ctim.tv_nsec};
}

// ---- handing down --------------------------------------------------------------------------------------------------

NamedFds inherited_fds() {
  NamedFds all;
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    all.emplace_back(names[i], os::Fd(SD_LISTEN_FDS_START + i));
    std::free(names[i]);
  }
  std::free(names);
  for (const auto& entry : split(take_variable(kHandedDown), ',')) {
    const auto equals = entry.rfind('=');
    if (equals == std::string::npos) continue;
    int fd = -1;
    std::from_chars(entry.data() + equals + 1, entry.data() + entry.size(), fd);
    if (fd < 3 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;
    all.emplace_back(entry.substr(0, equals), os::Fd(fd));
  }
  return all;
}

Error become(const std::string& program, const std::vector<std::pair<std::string, int>>& kept) {
  auto arguments = split(os::read_file("/proc/self/cmdline", 1u << 20).value_or(""), '\0');
  if (arguments.empty()) return fail("cannot read /proc/self/cmdline").error();
  arguments[0] = program;
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string names;
  for (const auto& [name, fd] : kept) {
    names += (names.empty() ? "" : ",") + name + "=" + std::to_string(fd);
    ::fcntl(fd, F_SETFD, 0);
  }
  ::setenv(kHandedDown, names.c_str(), 1);
  ::setenv(kFormer, FLEET_VERSION, 1);
  ::execv(program.c_str(), argv.data());
  const int error = errno;
  for (const auto& [name, fd] : kept) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::unsetenv(kHandedDown);
  ::unsetenv(kFormer);
  return fail_errno("cannot become " + program, error).error();
}

std::string former_version() { return take_variable(kFormer); }

std::vector<os::Process> inherited_children() {
  std::vector<os::Process> children;
  for (const auto& entry : os::processes()) {
    if (entry.parent != ::getpid()) continue;
    auto pidfd = os::open_pidfd(entry.pid, entry.start_time);
    if (pidfd) children.push_back({entry.pid, std::move(*pidfd), entry.start_time});
  }
  return children;
}

}  // namespace fleet
