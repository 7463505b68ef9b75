// Runs fleet-fetch: one process for one artifact.
#pragma once

#include <functional>
#include <memory>

#include "core/result.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "wire/messages.hpp"

namespace fleet {

class Fetcher {
 public:
  using Progress = std::function<void(const wire::FetchProgress&)>;
  using Done = std::function<void(Result<wire::FetchDone>)>;

  Fetcher(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths) : io_(io), tasks_(tasks), paths_(paths) {}
  ~Fetcher() { cancel(); }
  Fetcher(const Fetcher&) = delete;

  // Cancels the one before. `done` is called once, unless it is cancelled. Error kinds: fetch, verify.
  void start(wire::FetchJob job, Progress progress, Done done);
  void cancel();

 private:
  struct Run;
  net::Task<> follow(std::shared_ptr<Run> run);

  net::asio::io_context& io_;
  net::TaskGroup& tasks_;
  const Paths& paths_;
  std::shared_ptr<Run> run_;
};

}  // namespace fleet
