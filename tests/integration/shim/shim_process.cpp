#include "shim_process.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "os/atomic_file.hpp"
#include "os/process_tree.hpp"
#include "os/unix_socket.hpp"

namespace fleet {

bool readable(int fd, int timeout_ms) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

bool exists(pid_t pid) {
  const auto entry = os::process_entry(pid);
  return entry && !entry->zombie;
}

Connection::Connection(const std::string& path) {
  auto connected = os::connect_unix(path);
  EXPECT_TRUE(connected) << connected.error().text;
  if (connected) socket_ = std::move(*connected);
}

void Connection::send_raw(const std::string& bytes, const std::vector<int>& fds) {
  const auto sent = os::send_some(socket_.get(), bytes, fds);
  EXPECT_TRUE(sent && sent->bytes == bytes.size());
}

std::optional<wire::ShimStatus> Connection::next() {
  for (;;) {
    auto frame = reader_.next();
    if (!frame) return std::nullopt;
    if (*frame) return wire::decode<wire::ShimStatus>((*frame)->payload).value();
    if (!readable(socket_.get())) {
      ADD_FAILURE() << "no status within 10 s";
      return std::nullopt;
    }
    std::string bytes;
    std::vector<os::Fd> fds;
    const auto got = os::receive_some(socket_.get(), bytes, fds);
    if (!got || got->closed) return std::nullopt;
    reader_.append(bytes);
  }
}

wire::ShimStatus Connection::wait(const std::function<bool(const wire::ShimStatus&)>& satisfies) {
  while (const auto status = next()) {
    if (satisfies(*status)) return *status;
  }
  ADD_FAILURE() << "the status waited for never came";
  return {};
}

wire::ShimStatus Connection::wait(wire::ShimState state) {
  return wait([state](const wire::ShimStatus& status) { return status.state == state; });
}

Shim::Shim() {
  std::string pattern = (std::filesystem::temp_directory_path() / "fleet-shim-XXXXXX").string();
  dir = ::mkdtemp(pattern.data());
  socket = dir + "/shim.sock";
  log = dir + "/log";
}

Shim::~Shim() {
  if (shim.pidfd && !ended_) {
    // First what it started: without the shim it could no longer be found.
    os::signal_all(os::descendants(os::processes(), shim.pid), SIGKILL);
    (void)os::signal(shim.pidfd, SIGKILL);
    wait_for_end();
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
}

void Shim::start(std::vector<std::string> more_arguments) {
  const auto listener = os::listen_unix(socket, 0600);
  ASSERT_TRUE(listener) << listener.error().text;
  os::Spawn what;
  what.argv = {FLEET_BIN_DIR "/fleet-shim", "--id", "test-1-0", "--socket", socket};
  what.argv.insert(what.argv.end(), more_arguments.begin(), more_arguments.end());
  what.fds = {listener->get()};
  what.err = STDERR_FILENO;
  auto started = os::spawn(what);
  ASSERT_TRUE(started) << started.error().text;
  shim = std::move(*started);
}

wire::Launch Shim::script(const std::string& text) const {
  wire::Launch launch;
  launch.id = "test-1-0";
  launch.argv = {"/bin/sh", "-c", text};
  launch.env = {{"PATH", "/usr/bin:/bin"}};
  launch.cwd = dir;
  launch.log_file = log;
  return launch;
}

std::vector<std::string> Shim::lines(const std::string& suffix) const {
  std::istringstream text(os::read_file(log + suffix, 64u << 20).value_or(""));
  std::vector<std::string> out;
  for (std::string line; std::getline(text, line);)
    out.push_back(line.substr(std::min(line.size(), line.find(' ') + 1)));
  return out;
}

os::ExitStatus Shim::wait_for_end() {
  EXPECT_TRUE(readable(shim.pidfd.get()));
  const auto status = os::reap(shim.pidfd);
  ended_ = true;
  return status && *status ? **status : os::ExitStatus{.code = -1};
}

bool Shim::runs() const { return exists(shim.pid); }

}  // namespace fleet
