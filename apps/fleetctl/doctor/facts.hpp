// What `fleetctl doctor` goes by: this machine, as it was found. Plain values; what they mean is in findings.hpp.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/views.hpp"
#include "core/config.hpp"

namespace fleet::ctl::doctor {

enum class FileKind : std::uint8_t { missing, folder, socket, other };

struct File {
  std::string path;
  FileKind kind = FileKind::missing;
  uid_t owner = 0;
  mode_t mode = 0;  // permissions
};

struct Volume {
  std::string path, type;  // type: "ext4", "tmpfs", "nfs", ...
  std::uint64_t size = 0, free = 0;  // bytes, to fleetd
  std::uint64_t inodes = 0, free_inodes = 0;
  bool read_only = false;
};

struct Process {
  pid_t pid = 0;
  std::string name;
  std::string id;  // shims: of what they run
};

// An address that the configuration wants.
struct Listener {
  std::string key;  // "proxy.http"
  Endpoint endpoint;
  bool ours = false;               // this fleet listens there
  std::vector<Process> strangers;  // who else does
};

struct Certificate {
  std::string file, error;  // error: it will not do
  std::vector<std::string> names, warnings;
  std::int64_t until = 0;  // seconds since the epoch
  unsigned alarm = 0;      // as tls::expiry_alarm
};

struct Cgroup {
  std::string folder;  // empty: fleetd's cannot be found
  std::vector<std::string> controllers;
  bool delegated = false;  // fleetd may make others in it
};

struct Facts {
  bool all_seen = true;  // we are root, or who fleetd is

  std::string config_file;
  std::vector<std::string> config_problems;
  Config config;  // where there are no problems

  std::string socket_path, no_answer;         // no_answer: why fleetd gives none
  std::optional<api::StatusView> status;
  uid_t fleetd_user = 0;

  File socket, run, state;
  std::vector<Volume> volumes;
  std::uint64_t memory = 0, memory_available = 0;  // bytes
  std::vector<Listener> listeners;
  std::uint32_t app_ports_taken = 0;                       // by others than this fleet
  std::uint16_t ephemeral_first = 0, ephemeral_last = 0;  // of the kernel's own choice
  std::vector<Certificate> certificates;
  std::optional<Cgroup> cgroup;             // of a fleetd that runs
  std::string unit;                         // of systemd; empty: none
  std::map<std::string, std::string> unit_settings;
  std::uint64_t open_files = 0;  // that fleetd may have; 0: not known
  bool clock_synchronised = true;
  int year = 0;

  std::vector<Process> shims, unknown_shims;  // of this fleet; unknown: to a fleetd that runs
  std::vector<Process> without_shim;          // applications' processes
  std::vector<std::string> stale;             // left in run_dir by an earlier boot
  std::map<std::string, std::string> programs;  // on disk: name -> version, empty: cannot be run
  std::string programs_folder;
  bool fleetd_replaced = false;  // its program is no longer the one on disk
  std::vector<std::string> unknown_users;  // "shop: no user \"x\" on this machine"
};

}  // namespace fleet::ctl::doctor
