// fleet-proxy: one worker of the data plane. It inherits its listening link socket as descriptor 3 and gets all else
// over that link; it opens no files.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <optional>

#include "core/log.hpp"
#include "encryption/tls_memory.hpp"
#include "os/crash.hpp"
#include "sandbox.hpp"
#include "worker.hpp"

namespace {

using namespace fleet;

constexpr int kLinkFd = 3;
constexpr std::chrono::seconds kDrainOnSigterm{30};

// "NAME=MS" -> the limit of that name.
std::string set_timeout(proxy::Limits& limits, const std::string& text) {
  const auto equals = text.find('=');
  unsigned long long ms = 0;
  if (equals == std::string::npos || !CLI::detail::lexical_cast(text.substr(equals + 1), ms)) return "NAME=MS expected";
  return limits.set(text.substr(0, equals), std::chrono::milliseconds(ms))
             ? ""
             : "no such timeout: " + text.substr(0, equals);
}

// As many descriptors as allowed; two for each connection, and some for everything else. How many connections that is.
std::uint32_t raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto affordable = limit.rlim_cur > 256 ? (limit.rlim_cur - 128) / 2 : 64;
  return static_cast<std::uint32_t>(std::min<rlim_t>(affordable, std::numeric_limits<std::uint32_t>::max()));
}

bool inherited_link_is_there() {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(kLinkFd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) return false;
  ::fcntl(kLinkFd, F_SETFD, FD_CLOEXEC);
  ::fcntl(kLinkFd, F_SETFL, ::fcntl(kLinkFd, F_GETFL) | O_NONBLOCK);
  return true;
}

sigset_t ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  return signals;
}

// From an operator; fleetd drains over the link.
class DrainOnSignal final : proxy::ReadinessListener {
 public:
  DrainOnSignal(proxy::Loop& loop, proxy::Worker& worker) : worker_(worker) {
    const auto signals = ending_signals();
    os::Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    signals_.reset(new proxy::Socket(loop, std::move(fd)));
    signals_->set_listener(this);
  }

 private:
  void on_ready() override { worker_.drain(kDrainOnSigterm); }

  proxy::Worker& worker_;
  proxy::SocketPtr signals_;
};

}  // namespace

// In place of the C library's. OpenSSL asks for it with all that is random, six times in a handshake, to notice that it
// was forked, and each time it is a system call. A worker forks once, before it has anything to do with OpenSSL, and then
// never more (see sandbox.cpp), so once is enough.
extern "C" pid_t getpid() noexcept {
  static const auto pid = static_cast<pid_t>(::syscall(SYS_getpid));
  return pid;
}

int main(int argc, char** argv) {
  proxy::give_openssl_memory();
  proxy::WorkerOptions options;
  CLI::App cli{"fleet-proxy: one worker of fleet's reverse proxy; started by fleetd"};
  cli.set_version_flag("--version", "fleet-proxy " FLEET_VERSION);
  cli.add_option("--id", options.id, "unique id of this worker")->required();
  cli.add_option("--slot", options.slot, "its slot")->required();
  std::vector<std::string> timeouts;
  cli.add_option("--timeout", timeouts, "override a timeout: NAME=MS (may be repeated)");
  std::optional<std::uint32_t> max_connections;
  cli.add_option("--max-connections", max_connections, "client connections at once");
  CLI11_PARSE(cli, argc, argv);
  os::report_crashes("fleet-proxy");
  log::start("fleet-proxy");
  for (const auto& timeout : timeouts) {
    proxy::Limits limits;
    if (const auto wrong = set_timeout(limits, timeout); !wrong.empty()) {
      spdlog::error("cannot use --timeout {}: {}", timeout, wrong);
      return 2;
    }
  }
  if (!inherited_link_is_there()) {
    spdlog::error("descriptor 3 is not a listening socket (fleet-proxy is started by fleetd)");
    return 2;
  }
  options.overrides = [timeouts, max_connections, affordable = raise_descriptor_limit()](proxy::Limits& limits) {
    for (const auto& timeout : timeouts) set_timeout(limits, timeout);
    limits.max_connections = std::min(max_connections.value_or(limits.max_connections), affordable);
  };
  std::signal(SIGPIPE, SIG_IGN);
  const char* const releases = std::getenv("FLEET_RELEASES");
  if (auto server = proxy::assets::Server::begin(releases ? releases : "")) {
    options.assets = std::make_shared<proxy::assets::Server>(std::move(*server));
  } else {
    spdlog::error("no files of former releases are given: {}", server.error().text);
  }
  const auto told_by_the_loop = ending_signals();
  ::sigprocmask(SIG_BLOCK, &told_by_the_loop, nullptr);  // of every thread to come, too
  options.log_writer = std::make_shared<proxy::LogWriter>();
  if (auto confined = proxy::confine(); !confined) {
    spdlog::error("{}", confined.error().text);
    return 1;
  }

  proxy::Loop loop;
  proxy::Worker worker(loop, os::Fd(kLinkFd), std::move(options));
  DrainOnSignal drain(loop, worker);
  loop.run();
  return 0;
}
