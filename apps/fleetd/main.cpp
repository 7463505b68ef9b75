// fleetd: the supervisor. One thread, one io_context; decides, spawns, records; never touches a request byte.
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdio>
#include <cstdlib>

#include "cgroups.hpp"
#include "config/load.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "daemon.hpp"
#include "log_archive.hpp"
#include "os/crash.hpp"
#include "os/dirs.hpp"

namespace fleet {
namespace {

struct Options {
  std::string config = "/etc/fleet/fleet.toml";
  std::string log_level = "info";
  std::string log_to_compress;
  bool check = false, make_way = false;
};

// As many descriptors as we may have; and nobody else reads what we create.
void prepare_process() {
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0027);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
}

net::Task<> run(Daemon& daemon) {
  const auto up = co_await daemon.come_up();
  if (up) co_return;
  spdlog::critical("{}", up.error().text);
  std::_Exit(1);
}

// For the fleetd that we may take over from: what we are, on standard output, or what is wrong.
int check(const Options& options) {
  const auto candidate = check_self(options.config);
  const auto text = candidate ? json::write(*candidate).dump() : candidate.error().text;
  std::fputs((text + "\n").c_str(), candidate ? stdout : stderr);
  return candidate ? 0 : 2;
}

int leave_unit_cgroup() {
  const auto made = make_way(os::own_cgroup_folder());
  if (!made) std::fprintf(stderr, "fleetd: %s\n", made.error().text.c_str());
  return made ? 0 : 1;
}

std::string own_cgroups(const Config& config) {
  const auto own = take_cgroups(os::own_cgroup_folder(), config.state_dir);
  const auto& has = own.controllers;
  const auto kept = [](bool controller) { return controller ? "the cgroup's" : "each process's"; };
  spdlog::info("cgroups folder={} memory_max={} pids_max={} cpu_max={}{}{}", own.folder.empty() ? "none" : own.folder,
               kept(has.memory), kept(has.processes), has.cpu ? "the cgroup's" : "nobody's", own.why.empty() ? "" : ": ", own.why);
  for (const auto& app : config.apps) {
    if (app.run.cpu_max != 0 && !has.cpu) spdlog::warn("cpu_max has no effect without a cgroup's cpu controller app={}", app.name);
    if (app.run.processes_max != 0 && !has.processes && app.run.user.empty()) {
      spdlog::warn("pids_max has no effect without a cgroup's pids controller or a user of the app's own app={}", app.name);
    }
  }
  return own.folder;
}

int compress(const std::string& log) {
  const auto compressed = compress_log(log);
  if (!compressed) std::fprintf(stderr, "fleetd: %s\n", compressed.error().text.c_str());
  return compressed ? 0 : 1;
}

Result<> serve(const Options& options, Config config) {
  TRY(Paths paths, Paths::of(config));
  TRYV(paths.make());
  TRY(const os::Fd lock, os::lock_dir(paths.state));
  std::string damage;
  TRY(Store store, Store::open_or_begin(paths.database(), damage));
  if (!damage.empty()) spdlog::critical("{}", damage);
  spdlog::info("fleetd " FLEET_VERSION " starts config={} state={}", options.config, paths.state);
  paths.cgroups = own_cgroups(config);
  net::asio::io_context io(1);
  Daemon daemon(io, options.config, std::move(config), paths, std::move(store));
  net::asio::co_spawn(io.get_executor(), run(daemon), net::asio::detached);
  net::asio::co_spawn(io.get_executor(), daemon.obey_signals(), net::asio::detached);
  net::asio::co_spawn(io.get_executor(), daemon.feed_watchdog(), net::asio::detached);
  io.run();
  return {};
}

}  // namespace
}  // namespace fleet

int main(int argc, char** argv) {
  fleet::Options options;
  CLI::App cli{"fleetd: runs applications behind fleet-proxy and replaces them without a gap"};
  cli.set_version_flag("--version", "fleetd " FLEET_VERSION);
  cli.add_option("--config", options.config, "the configuration, see fleet.toml(5)")->capture_default_str();
  cli.add_option("--log-level", options.log_level, "trace, debug, info, warn or error")
      ->capture_default_str()
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  cli.add_flag("--check", options.check, "try whether it could start with this configuration and state; change nothing");
  cli.add_flag("--make-way", options.make_way, "before a start by systemd (see fleetd.service): leave the unit's own cgroup to it");
  cli.add_option("--compress-log", options.log_to_compress, "compress a log that was put aside, as fleetd itself asks for")->type_name("FILE");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? 0 : 2;
  }
  if (!options.log_to_compress.empty()) return fleet::compress(options.log_to_compress);
  if (options.check) return fleet::check(options);
  if (options.make_way) return fleet::leave_unit_cgroup();
  fleet::prepare_process();
  fleet::os::report_crashes("fleetd");
  fleet::log::start("fleetd", options.log_level);
  auto config = fleet::config::load(options.config, fleet::config::Users::may_lack);
  if (!config) {
    std::fputs((config.error().error().text + "\n").c_str(), stderr);
    return 2;
  }
  const auto served = fleet::serve(options, std::move(*config));
  if (!served) {
    spdlog::critical("{}", served.error().text);
    return served.error().kind == fleet::ErrorKind::usage ? 2 : 1;
  }
  return 0;
}
