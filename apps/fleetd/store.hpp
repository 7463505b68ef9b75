// What fleetd knows, on disk: SQLite in WAL mode with full sync. A transaction that was committed survives a power cut.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/views.hpp"
#include "core/result.hpp"
#include "plan/app.hpp"

namespace fleet {

// What a deployment's view does not show: where the app's counters stood when it began.
struct DeploymentRecord {
  api::DeploymentView view;
  api::Receipt baseline;
};

struct Release {
  std::string app;
  std::uint64_t number = 0;
  std::string url, sha256, format, created_at;
  std::uint64_t bytes = 0;  // unpacked
  bool retained = true;
  std::string version, signed_by;  // as wire::FetchDone's
  std::string source, etag;        // whence it came last: the URL's digest, and what was told of it; empty: nothing
  bool deployed = false;           // it was switched to
  BuildConfig build;               // what it says of itself
  bool pinned = false;             // not removed but by hand
  std::string layout, trusted_by;  // as wire::FetchDone's; layout empty: not known
  std::uint32_t entries = 0;       // likewise
  FLEET_FIELDS(Release, app, number, url, sha256, format, created_at, bytes, retained, version, signed_by, source,
               etag, deployed, build, pinned, layout, trusted_by, entries)
};

class Store {
 public:
  // Makes the file if there is none. Errors: verify, not a database or a damaged one; usage, of a newer fleetd.
  static Result<Store> open(const std::string& path);
  // As open(), but a damaged file is set aside, as PATH.damaged-TIME, and a new one begun; `damage` says so.
  static Result<Store> open_or_begin(const std::string& path, std::string& damage);
  // Whether this fleetd could go on with the file: tried on a copy in memory, so that nothing changes. Errors: as open().
  static Result<> check(const std::string& path);
  bool is_new() const;  // this open() has made it

  // `told` hears how each attempt to write has ended, from within the call that made it: it must not write itself.
  void tell(std::function<void(const Result<>& saved)> told);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // Runs `work` in one transaction: all of its writes are on disk when this returns, or none.
  Result<> save(const std::function<Result<>()>& work);

  Result<> put_app(const plan::AppState& state);
  Result<std::vector<plan::AppState>> apps();

  Result<> put_deployment(const DeploymentRecord& record);
  Result<std::optional<DeploymentRecord>> deployment(api::DeploymentId id);
  Result<std::vector<DeploymentRecord>> running_deployments();

  Result<> put_release(const Release& release);
  Result<std::vector<Release>> releases(const std::string& app);  // newest first

  Result<> put_event(const api::EventView& event);
  Result<std::vector<api::EventView>> events(std::size_t newest);  // oldest first
  Result<> prune_events(std::size_t keep);

  // Small facts: "generation", "next_deployment", "clock_ms", "boot_id", "figures".
  Result<> put(const std::string& key, const std::string& value);
  Result<std::string> get(const std::string& key);  // empty: none

 private:
  struct Database;
  explicit Store(std::unique_ptr<Database> db);
  Result<> verify();
  std::unique_ptr<Database> db_;
};

}  // namespace fleet
