// Where things are: fleet's programs, its state, its sockets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/config.hpp"
#include "core/confinement.hpp"
#include "core/result.hpp"

namespace fleet {

struct Paths {
  std::string state, run, programs;  // folders; programs: where fleetd itself is
  std::string cgroups = {};          // of what is started; empty: none

  std::string database() const { return state + "/fleet.db"; }
  std::string environment_key() const { return state + "/environment.key"; }
  std::string tls() const { return state + "/tls"; }
  std::string app_releases(const std::string& app) const { return state + "/releases/" + app; }
  std::string release(const std::string& app, std::uint64_t number) const {
    return app_releases(app) + "/" + std::to_string(number);
  }
  std::string plans() const { return state + "/plans"; }  // builds that are looked at and not kept
  std::string plan(const std::string& app) const { return plans() + "/" + app; }
  std::string data(const std::string& app) const { return state + "/data/" + app; }
  std::string app_logs(const std::string& app) const { return state + "/log/" + app; }
  std::string instance_log(const std::string& app, const std::string& id) const { return app_logs(app) + "/" + id + ".log"; }
  std::string access_log(const std::string& app) const { return app_logs(app) + "/access.log"; }
  std::string worker_log(std::uint32_t slot) const { return state + "/log/worker-" + std::to_string(slot) + ".log"; }

  std::string api_socket() const { return run + "/fleetd.sock"; }
  std::string shims() const { return run + "/shim"; }
  std::string shim_socket(const std::string& id) const { return shims() + "/" + id; }
  std::string workers() const { return run + "/worker"; }
  std::string worker_socket(const std::string& id) const { return workers() + "/" + id; }
  std::string notify_socket(const std::string& id) const { return run + "/notify/" + id; }
  std::string http_sockets() const { return run + "/http"; }
  // See listen = "unix". An id begins with the app's name.
  std::string http_socket(const std::string& app, const std::string& id) const {
    return http_sockets() + "/" + app + "/" + id.substr(app.size() + 1);
  }

  std::string cgroup(const std::string& id) const { return cgroups.empty() ? "" : cgroups + "/" + id; }
  std::string fallback() const { return state + "/fallback"; }
  std::string private_tmps() const { return state + "/tmp"; }
  std::string private_tmp(const std::string& id) const { return private_tmps() + "/" + id; }

  // The folder of this program's own executable.
  static Result<Paths> of(const Config& config);
  // Makes the folders, private to fleetd except those on the way to what apps may reach, which may be passed and not
  // read, and `run`, where clients of the group find the socket.
  Result<> make() const;
  void share_api_socket() const;
  // Those of an app whose processes have a user of their own belong to that one as far as it has to do with them.
  Result<> make_for_app(const std::string& app, const std::optional<Identity>& user) const;
};

}  // namespace fleet
