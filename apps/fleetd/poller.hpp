// Follows the apps' sources: looks at each as often as its app says, and asks for a deploy when there is another build.
// What was seen last is on record, so that a fleetd that comes back does not undo a rollback.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "core/config.hpp"
#include "executor.hpp"
#include "fetcher.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "store.hpp"

namespace fleet {

class Poller {
 public:
  Poller(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, Store& store)
      : io_(io), tasks_(tasks), paths_(paths), store_(store) {}

  // For as long as fleetd runs.
  net::Task<> run(Executor& executor);

 private:
  using Clock = std::chrono::steady_clock;

  struct Seen {
    std::string source, etag;
    std::string build;  // what tells this build from another; empty: none was seen yet
    FLEET_FIELDS(Seen, source, etag, build)
  };
  struct Watched {
    Seen seen;
    Clock::time_point due;
    std::uint32_t failures = 0;  // in a row
    api::DeploymentId deployment = 0;  // of what was seen last; 0: it was not asked for since fleetd began
    bool looking = false;
    std::unique_ptr<Fetcher> fetcher;
  };

  void look_where_due(Executor& executor);
  Watched& watched(const AppConfig& app);
  void forget_failed_fetch(Executor& executor, Watched& app);
  void look(Executor& executor, const AppConfig& app, Watched& watched);
  void take(Executor& executor, const std::string& app, Result<wire::FetchDone> found);
  void deploy(Executor& executor, const std::string& app, Watched& watched, const wire::FetchDone& found);
  void put_off(const std::string& app, Watched& watched, const std::string& why);
  void save(const std::string& app, const Watched& watched);

  net::asio::io_context& io_;
  net::TaskGroup& tasks_;
  const Paths& paths_;
  Store& store_;
  std::map<std::string, Watched> apps_;
  std::map<std::string, milliseconds> pace_;  // of each, as configured
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace fleet
