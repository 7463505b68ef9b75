// What the API asks of fleetd. The server (server.hpp) speaks HTTP and knows nothing of deploying; whoever implements
// this knows nothing of HTTP. All calls come on the io_context's thread and answer at once, or as a Task.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/event_log.hpp"
#include "api/views.hpp"
#include "core/result.hpp"
#include "net/task.hpp"

namespace fleet::api {

struct DeployRequest {
  std::string url, sha256;   // sha256: 64 lower-case hex digits, or empty; url: not empty, no control characters
  std::string requested_by;  // "uid 1000", "token"
  bool if_changed = false;   // not, if the source is as it was when it was last deployed from
  bool latest = false;       // the app's source, in place of a url
  bool force = false;        // also of a lower version than the current
  bool remote = false;       // asked for over TCP
};

struct LogQuery {
  std::optional<std::uint64_t> release;  // absent: all there are
  std::uint32_t lines = 100;             // at most, the newest; 1..10000
  bool access = false;                   // the access log, in place of what the instances wrote
  std::string cursor;                    // not empty: only what came after the answer that carried this cursor
};

enum class MetricsFormat : std::uint8_t {
  prometheus,   // text format 0.0.4
  openmetrics,  // 1.0.0
};

// A request that nobody sends. `headers`: lines of "Name: value".
struct RouteQuery {
  std::string url, method = "GET", from = "127.0.0.1", headers;
};

// Errors' kinds become HTTP statuses: usage 400, denied 403, not_found 404, busy 409, unreachable 503, others 500.
class Backend {
 public:
  virtual ~Backend() = default;

  // Whether fleetd has come up: the workers accept, and every app runs as well as it can for now.
  virtual bool is_ready() = 0;
  virtual StatusView status() = 0;
  virtual net::Task<std::string> metrics(MetricsFormat format) = 0;
  virtual Result<DeploymentView> deployment(DeploymentId id) = 0;  // not_found
  virtual Result<ReleasesView> releases(const std::string& app) = 0;
  // Keeps a release from being removed, or lets go of it. not_found: there is no such release, or its files are gone.
  virtual Result<ReleaseView> pin(const std::string& app, std::uint64_t release, bool pinned,
                                  const std::string& requested_by) = 0;
  // Removes the releases that need not be kept, and what fetches have left; dry_run: says what it would. not_found: no
  // such app.
  virtual Result<GcView> collect(const std::optional<std::string>& app, bool dry_run) = 0;
  virtual Result<RouteView> route(const RouteQuery& asked) = 0;  // usage
  // Called every 200 ms with the cursor while somebody follows.
  virtual Result<LogsView> logs(const std::string& app, const LogQuery& query) = 0;

  // Each records the deployment before it answers. busy: another of this app is under way; not_found: no such app
  // (or release); usage: nothing to restart or to roll back to.
  virtual Result<DeploymentId> deploy(const std::string& app, DeployRequest request) = 0;
  virtual Result<DeploymentId> rollback(const std::string& app, std::optional<std::uint64_t> release,
                                        const std::string& requested_by) = 0;
  virtual Result<DeploymentId> restart(const std::string& app, const std::string& requested_by) = 0;
  // Fetches and verifies as a deploy would, says what it would change, and leaves nothing behind. busy: one of this app is
  // under way; fetch, verify: the build will not do.
  virtual net::Task<Result<PlanView>> plan(std::string app, DeployRequest request) = 0;
  // Asks for an abort; not_found: no such deployment; usage: it is over, or past its commit.
  virtual Result<> abort(DeploymentId id, const std::string& requested_by) = 0;

  // Lets the app's requests wait for at most so long, or go on. Asked twice is asked once; a later hold sets its end
  // anew. Answers when every worker does so. not_found: no such app.
  virtual net::Task<Result<HoldView>> hold(std::string app, milliseconds at_most, std::string requested_by) = 0;
  virtual net::Task<Result<HoldView>> unhold(std::string app, std::string requested_by) = 0;

  // Reads the configuration again; an error leaves the old one wholly in force.
  virtual net::Task<Result<>> reload() = 0;
  // New proxy workers of the program as it is on disk, one after the other. How many. unhealthy: one did not come up, the
  // former go on; busy: it is under way already.
  virtual net::Task<Result<std::uint32_t>> upgrade_proxy() = 0;
  // Tries whether `program` (empty: as it is on disk now) can take fleetd's place; take_over() makes it so, and is called
  // after the 202 has been written. usage, denied: it will not do, all goes on as it was; busy: under way already.
  virtual net::Task<Result<UpgradeView>> upgrade(std::string program, std::string requested_by) = 0;
  virtual void take_over() = 0;
  // Called after its 202 has been written. stop_apps: drain the workers and stop all applications first.
  virtual void shutdown(bool stop_apps) = 0;

  virtual EventLog& events() = 0;
};

}  // namespace fleet::api
