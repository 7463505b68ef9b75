#include "shim.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <filesystem>

#include "child.hpp"
#include "config/values.hpp"
#include "core/signal_names.hpp"
#include "os/process.hpp"
#include "os/process_tree.hpp"
#include "os/unix_socket.hpp"

namespace fleet {
namespace {

net::Task<> reap(net::asio::io_context& io, os::Process process) {
  (void)co_await wait_exit(io, std::move(process));
}

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

}  // namespace

Result<Shim> Shim::start(net::asio::io_context& io, net::TaskGroup& children, const Paths& paths, const std::string& id) {
  TRY(const os::Fd listener, os::listen_unix(paths.shim_socket(id), 0600));
  os::Spawn spawn;
  spawn.argv = {paths.programs + "/fleet-shim", "--id", id, "--socket", paths.shim_socket(id)};
  spawn.cwd = "/";
  spawn.fds = {listener.get()};
  TRY(os::Process process, os::spawn(spawn));
  children.spawn(reap(io, std::move(process)));
  return dial(io, paths, id);
}

Result<Shim> Shim::dial(net::asio::io_context& io, const Paths& paths, const std::string& id) {
  TRY(os::Fd socket, os::connect_unix(paths.shim_socket(id)));
  return Shim(net::Channel(io, std::move(socket)));
}

net::Task<Result<wire::ShimStatus>> Shim::status() {
  for (;;) {
    auto message = co_await channel_.receive();
    if (!message) co_return std::unexpected(message.error());
    if (message->is<wire::ShimStatus>()) co_return message->as<wire::ShimStatus>();
  }
}

net::Task<Result<wire::ShimStatus>> Shim::status_within(net::asio::io_context& io, milliseconds at_most) {
  const auto waiting = std::make_shared<bool>(true);
  net::Timer timer(io, at_most);
  timer.async_wait([this, waiting](boost::system::error_code error) {
    if (!error && *waiting) channel_.close();
  });
  auto result = co_await status();
  *waiting = false;
  co_return result;
}

void Shim::stop(int signal, milliseconds grace) {
  wire::Stop stop;
  stop.signal = static_cast<std::uint32_t>(signal);
  stop.grace = grace;
  channel_.send(stop);
}

void Shim::dismiss() { channel_.send(wire::Dismiss{}); }

std::vector<std::string> shims_found(const Paths& paths) { return names_in(paths.shims()); }
std::vector<std::string> workers_found(const Paths& paths) { return names_in(paths.workers()); }
std::vector<std::string> http_sockets_found(const Paths& paths) {
  std::vector<std::string> found;
  for (const auto& app : names_in(paths.http_sockets())) {
    const auto folder = paths.http_sockets() + "/" + app;
    for (const auto& name : names_in(folder)) found.push_back(folder + "/" + name);
  }
  return found;
}

std::vector<std::string> private_tmps_found(const Paths& paths) {
  auto found = names_in(paths.private_tmps());
  for (auto& name : found) name = paths.private_tmp(name);
  return found;
}

void kill_orphan(const std::string& id, std::uint32_t pid, std::uint64_t start_time) {
  const auto main = static_cast<pid_t>(pid);
  if (pid == 0 || !os::open_pidfd(main, start_time)) return;
  spdlog::warn("killing a process whose shim is gone id={} pid={}", id, pid);
  const auto table = os::processes();
  os::signal_all(os::tree(table, main), SIGKILL);
}

std::string how_it_ended(const wire::ShimStatus& status) {
  if (status.state == wire::ShimState::failed) return "could not be started: " + status.error;
  if (status.out_of_memory && status.memory_max == 0) return "was killed as the machine ran out of memory";
  if (status.out_of_memory) return "ran out of memory (memory_max " + config::show_size(status.memory_max) + ")";
  if (status.time_limit.count() > 0) return "did not end within " + config::show_duration(status.time_limit);
  if (status.signal != 0) return "was killed by " + signal_name(static_cast<int>(status.signal));
  return "exited with code " + std::to_string(status.exit_code);
}

}  // namespace fleet
