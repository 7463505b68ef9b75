#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace fleet::test {
namespace {

std::vector<std::string> environment(const Environment& more) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) all.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto& [name, value] : more) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

os::Fd open_log(const std::string& path) {
  return os::Fd(path.empty() ? -1 : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
}

os::Process start(std::vector<std::string> argv, const Environment& more, int out, int err) {
  os::Spawn spawn;
  spawn.argv = std::move(argv);
  spawn.env = environment(more);
  spawn.out = out;
  spawn.err = err;
  auto process = os::spawn(spawn);
  if (!process) throw std::runtime_error(process.error().text);
  return std::move(*process);
}

std::string contents(int memory) {
  std::string text;
  char block[16384];
  for (off_t at = 0;; at += static_cast<off_t>(text.size()) - at) {
    const auto got = ::pread(memory, block, sizeof block, at);
    if (got <= 0) return text;
    text.append(block, static_cast<std::size_t>(got));
  }
}

std::uint64_t field_kib(const std::string& path, std::string_view field) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field)) return std::stoull(line.substr(field.size()));
  }
  return 0;
}

std::string proc(pid_t pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

}  // namespace

Program::Program(std::vector<std::string> argv, const Environment& more, const std::string& out,
                 const std::string& err) {
  const auto out_fd = open_log(out), err_fd = open_log(err);
  process_ = start(std::move(argv), more, out_fd.get(), err_fd.get());
}

Program::~Program() {
  if (!process_.pidfd || code_) return;
  signal(SIGKILL);
  wait(milliseconds(5000));
}

void Program::signal(int number) {
  if (!code_) (void)os::signal(process_.pidfd, number);
}

std::optional<int> Program::wait(milliseconds limit) {
  if (code_) return code_;
  pollfd ended{process_.pidfd.get(), POLLIN, 0};
  if (::poll(&ended, 1, static_cast<int>(limit.count())) <= 0) return std::nullopt;
  const auto status = os::reap(process_.pidfd);
  if (!status) return code_ = -1;
  if (*status) code_ = (*status)->code;
  return code_;
}

Ran run(std::vector<std::string> argv, const Environment& more, milliseconds limit) {
  const os::Fd out(::memfd_create("out", MFD_CLOEXEC)), err(::memfd_create("err", MFD_CLOEXEC));
  const auto begun = std::chrono::steady_clock::now();
  const auto process = start(std::move(argv), more, out.get(), err.get());
  pollfd ended{process.pidfd.get(), POLLIN, 0};
  const bool over = ::poll(&ended, 1, static_cast<int>(limit.count())) > 0;
  if (!over) {
    (void)os::signal(process.pidfd, SIGKILL);
    ::poll(&ended, 1, 5000);
  }
  const auto status = os::reap(process.pidfd);
  Ran ran;
  ran.code = over && status && *status ? (*status)->code : -1;
  ran.took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
  ran.out = contents(out.get());
  ran.err = contents(err.get());
  return ran;
}

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_whole(const std::string& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  if (!(out << text).flush()) throw std::runtime_error("cannot write " + path);
}

std::uint64_t rss_kib(pid_t pid) { return field_kib(proc(pid, "status"), "VmRSS:"); }
std::uint64_t pss_kib(pid_t pid) { return field_kib(proc(pid, "smaps_rollup"), "Pss:"); }

milliseconds cpu_time(pid_t pid) {
  std::istringstream fields(read_whole(proc(pid, "schedstat")));
  std::uint64_t ran = 0;  // ns
  fields >> ran;
  return milliseconds(ran / 1'000'000);
}

std::string command_line(pid_t pid) {
  auto text = read_whole(proc(pid, "cmdline"));
  for (auto& c : text) {
    if (c == '\0') c = ' ';
  }
  return text;
}

void pause_for(milliseconds time) { std::this_thread::sleep_for(time); }

}  // namespace fleet::test
