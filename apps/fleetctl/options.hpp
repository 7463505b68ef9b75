// The command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "client.hpp"

namespace fleet::ctl {

enum class Verb : std::uint8_t {
  deploy,
  plan,
  status,
  releases,
  pin,
  unpin,
  gc,
  rollback,
  restart,
  abort,
  follow,
  hold,
  unhold,
  logs,
  events,
  proxy_upgrade,
  config_check,
  route_check,
  reload,
  upgrade,
  doctor,
  shutdown,
};

struct Options {
  Verb verb = Verb::status;
  std::string socket, url, token_file, ca_file;
  bool json = false;
  std::optional<std::string> app;

  std::string build, sha256;            // deploy; a local path is absolute already
  bool latest = false, force = false;   // deploy: of the app's source; of a lower version too
  bool if_changed = false;              // deploy
  std::optional<std::uint64_t> number;  // rollback, pin, unpin: release; abort, follow: deployment
  bool dry_run = false;                 // gc
  bool wait = true;                     // deploy, rollback, restart
  std::chrono::milliseconds timeout{300000};
  bool watch = false;   // status
  bool follow = false;  // logs, events
  std::optional<std::uint64_t> release, since;
  std::uint32_t lines = 100;
  bool access = false;  // logs: those of requests
  std::string file;   // config check
  std::string asked_url, method = "GET", from = "127.0.0.1";  // route check
  std::vector<std::string> headers;                           // likewise: "Name: value"
  bool apps = false;  // shutdown
  std::chrono::milliseconds max{30000};  // hold
  std::string binary;   // upgrade: absolute; empty: as it is on disk
  bool workers = true;  // upgrade: these too
  std::string config;   // doctor; empty: what fleetd says, else the default
};

// Of this process; what an unset variable would say is empty.
struct Surroundings {
  bool root = false;
  std::string fleet_socket, xdg_runtime_dir, directory;
};
Surroundings surroundings();

// --help, --version and mistakes end here: what to print, and how to exit.
struct Ended {
  int code = 0;
  std::string out, err;
};
std::expected<Options, Ended> parse(int argc, const char* const* argv, const Surroundings& around);

// An URL stays; a path is made absolute.
std::string absolute_build(const std::string& build, const std::string& directory);

}  // namespace fleet::ctl
