// What an app's state was, as far as it can be told from its processes and folders: for when the record of it is lost.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "paths.hpp"
#include "plan/app.hpp"
#include "store.hpp"

namespace fleet {

// Written beside an app's releases whenever another becomes current.
struct CurrentRelease {
  std::uint64_t number = 0;  // 0: none
  std::string sha256;
  bool operator==(const CurrentRelease&) const = default;
};
Result<> write_current(const Paths& paths, const std::string& app, const CurrentRelease& current);
// None: there is no such file, or it says nothing that could be meant.
std::optional<CurrentRelease> read_current(const Paths& paths, const std::string& app);

struct FoundInstance {
  std::string id;  // "shop-v42-117"
  std::uint32_t pid = 0;
  std::uint64_t start_time = 0;
  std::string socket;                      // where it listens if it has one
  std::map<std::string, std::string> env;  // what it was started with, unless it has written over that since
};
std::map<std::string, std::string> environment_of(std::uint32_t pid);  // empty if we may not know

struct Remains {
  std::vector<FoundInstance> running;
  std::vector<std::uint64_t> releases;  // whose folders are there, in order
  std::optional<CurrentRelease> current;
  std::uint16_t port_first = 0, port_last = 0;  // that instances are given
};
std::vector<std::uint64_t> releases_found(const Paths& paths, const std::string& app);

// The current release is the one on file; else the one that most instances run, of several the newest. Its instances
// serve on; those of others, and those whose address cannot be told, drain. An application may lie about its address in
// its own memory: no other socket than its own is believed, and no port that fleet does not give.
plan::AppState rebuilt(const AppConfig& config, const Remains& remains, milliseconds now);

}  // namespace fleet
