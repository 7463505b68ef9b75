// A whole fleet in a temporary directory: the real binaries, ports from the kernel, everything ended with it. It is
// driven only as an operator would: fleetctl, the public API, signals.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/client.hpp"
#include "support/process.hpp"

namespace fleet::test {

using Json = nlohmann::ordered_json;

// The [app.NAME] tables of a demo server, as text.
struct DemoApp {
  std::string name = "shop";
  unsigned instances = 2;
  std::vector<std::string> lines = {};  // further keys of [app.NAME]
  std::vector<std::string> health = {"path = \"/health\"", "interval = \"200ms\"", "healthy = 1",
                                     "start_timeout = \"10s\""};
  std::vector<std::string> drain = {"timeout = \"10s\"", "stop_timeout = \"5s\""};
  bool on_socket = false;    // listen = "unix"
  std::string ledgers = {};  // --data-dir; empty: the fleet's own
};

// One release of the demo server.
struct Build {
  Build(std::string version_name, std::vector<std::string> conf = {}, std::size_t incompressible = 0)
      : version(std::move(version_name)), options(std::move(conf)), padding(incompressible) {}

  std::string version;
  std::vector<std::string> options;  // lines of its demo.conf, `unhealthy = true` for example
  std::size_t padding;               // bytes that do not compress
  std::string app_file = {};         // its fleet-app.toml; empty: none
  std::map<std::string, std::string> files = {};  // further ones, by path
};

struct FleetSetup {
  std::vector<DemoApp> demo_apps = {DemoApp{}};
  std::string apps;                      // further [app.*] tables, as text
  std::vector<std::string> fleet_lines;  // further keys of [fleet]
  std::string tables;                    // further tables, [[tls]] for example
  unsigned workers = 2;
  unsigned port_blocks = 1;  // of a hundred ports for instances
  bool ipv6 = false;  // listen on [::1] too
  bool tcp_api = false;
  std::string token;           // of the TCP API
  std::string place = "/tmp";  // where its folder is made
};

class Fleet {
 public:
  // Writes fleet.toml and starts nothing.
  explicit Fleet(FleetSetup setup = {});
  ~Fleet();
  Fleet(const Fleet&) = delete;

  // Starts fleetd and waits until it says that it is ready. Throws when it does not in `limit`.
  void start(milliseconds limit = milliseconds(15000));
  // What a reader sees of it: for tests of starting itself. start() = launch() + wait_ready().
  void launch(const Environment& more = {}, const std::string& program = {});  // empty: as it was built
  void wait_ready(milliseconds limit = milliseconds(15000));
  void kill();    // SIGKILL to fleetd alone
  void reboot();  // SIGKILL to everything; start() comes next
  // Ends it all by `fleetctl shutdown --apps` and says what was left: empty is right.
  std::string shutdown();

  pid_t pid() const { return daemon_->pid(); }
  Program& daemon() { return *daemon_; }
  const std::string& root() const { return root_; }
  std::string ledgers() const { return root_ + "/ledgers"; }
  std::string config_path() const { return root_ + "/fleet.toml"; }

  Peer http() const;
  Peer https() const;
  Peer http6() const;
  Peer api() const;  // unix socket
  Peer api_tcp() const;

  Ran ctl(std::vector<std::string> arguments, milliseconds limit = milliseconds(90000)) const;
  Response call(std::string_view method, std::string_view target, const std::string& json = {}) const;
  Json get(const std::string& target) const;  // throws unless 200
  Json status() const { return get("/v1/status"); }
  Json app(const std::string& name = "shop") const;
  std::vector<pid_t> instance_pids(const std::string& app_name = "shop") const;
  std::vector<pid_t> worker_pids() const;

  // A tar.gz; the path.
  std::string pack(const Build& build) const;
  // `fleetctl deploy`, waiting.
  Ran deploy(const Build& build, std::vector<std::string> more = {}) const;
  // The API's deploy: the deployment's id, at once.
  std::uint64_t begin_deploy(const std::string& url, const std::string& app_name = "shop") const;
  Json deployment(std::uint64_t id) const { return get("/v1/deployments/" + std::to_string(id)); }
  // Until it is in that phase, or past it; returns the phase seen.
  std::string wait_phase(std::uint64_t id, const std::string& phase, milliseconds limit = milliseconds(20000)) const;
  Json wait_end(std::uint64_t id, milliseconds limit = milliseconds(60000)) const;

  std::string daemon_log() const { return read_whole(root_ + "/fleetd.log"); }
  // How fleetd has ended, with the last lines of its log; empty: it runs, or has never been started.
  std::string death();

 private:
  void write_config(const FleetSetup& setup);
  void report() const;
  std::vector<std::string> own_logs() const;  // of fleetd and the workers

  std::string root_;
  std::set<std::string> reports_before_;  // of sanitizers
  std::uint16_t http_port_, https_port_, http6_port_, api_port_;
  std::unique_ptr<Program> daemon_;
  bool up_ = false;
};

// Where the programs are: $FLEET_BIN_DIR, else where they were built. "fleetd" -> its path.
std::string program_path(const std::string& name);

// A port that was free on 127.0.0.1 just now.
std::uint16_t free_port();

// Running programs whose parent is this test's process or one of its descendants, without `known`.
std::vector<pid_t> strays();

}  // namespace fleet::test
