// fleetd's side of one fleet-shim: starting it, finding it again, talking to it.
#pragma once

#include <string>
#include <vector>

#include "core/result.hpp"
#include "net/channel.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "wire/messages.hpp"

namespace fleet {

class Shim {
 public:
  // Starts the shim process and dials it. `children` reaps it when it ends, if that is in our time.
  static Result<Shim> start(net::asio::io_context& io, net::TaskGroup& children, const Paths& paths, const std::string& id);
  // Error `unreachable`: there is none by this id (any more).
  static Result<Shim> dial(net::asio::io_context& io, const Paths& paths, const std::string& id);

  // The next status it reports; it reports one at once. Error `unreachable` when the link broke.
  net::Task<Result<wire::ShimStatus>> status();

  // The same, or an error after `at_most`.
  net::Task<Result<wire::ShimStatus>> status_within(net::asio::io_context& io, milliseconds at_most);

  void launch(const wire::Launch& launch, const std::vector<int>& fds) { channel_.send(launch, fds); }
  void stop(int signal, milliseconds grace);
  void dismiss();

 private:
  explicit Shim(net::Channel channel) : channel_(std::move(channel)) {}
  net::Channel channel_;
};

// Ids of the shims that have left a socket in the run directory, alive or not.
std::vector<std::string> shims_found(const Paths& paths);
// Likewise of workers.
std::vector<std::string> workers_found(const Paths& paths);
// Ids of the instances whose HTTP sockets are there, alive or not.
std::vector<std::string> http_sockets_found(const Paths& paths);
// Folders that were somebody's /tmp.
std::vector<std::string> private_tmps_found(const Paths& paths);

// Kills a program whose shim is gone, with its whole tree: nobody captures its output or can tell how it ends. Does
// nothing if that process is gone, whoever may have its pid now.
void kill_orphan(const std::string& id, std::uint32_t pid, std::uint64_t start_time);

// How a program ended, for people: "exited with code 3", "was killed by SIGSEGV", "ran out of memory (memory_max
// 512MiB)".
std::string how_it_ended(const wire::ShimStatus& status);

}  // namespace fleet
