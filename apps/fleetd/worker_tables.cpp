// What workers are told, and whether they have taken it: tables and keys.
#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "worker.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr auto kAckPatience = 5s;  // a worker that does not take a table in this time is replaced

}  // namespace

void Workers::publish(const RouteTable& table) {
  table_ = table;
  for (const auto& worker : all_) {
    if (worker->table_sent != decltype(worker->table_sent){}) send_table(*worker);
  }
  check_acked();
  if (!watching_acks_) tasks_.spawn(watch_acks());
}

void Workers::send_table(Worker& worker) {
  wire::Table message;
  message.table = table_;
  std::vector<int> fds;
  for (const auto& route : table_.routes) {
    const int fd = access_log(route.app);
    if (fd < 0 || fds.size() >= wire::kMaxFds) continue;
    message.access_logs.push_back(route.app);
    fds.push_back(fd);
  }
  worker.table_sent = std::chrono::steady_clock::now();
  worker.link->send(message, fds);
}

// A worker that holds up a table is replaced; the deploy waits for its successor.
net::Task<> Workers::watch_acks() {
  watching_acks_ = true;
  while (acked() < table_.generation && !closing_) {
    net::Timer timer(io_, 1s);
    if (std::get<0>(co_await timer.async_wait(net::use_result))) break;
    for (const auto& worker : all_) {
      if (!worker->live || worker->acked >= table_.generation) continue;
      if (std::chrono::steady_clock::now() - worker->table_sent < kAckPatience) continue;
      spdlog::error("worker does not take the table, replacing it id={} acked={} generation={}", worker->id, worker->acked,
                    table_.generation);
      worker->kill();
    }
  }
  watching_acks_ = false;
}

int Workers::access_log(const std::string& app) {
  auto& log = access_logs_[app];
  if (!log) log.reset(::open(paths_.access_log(app).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  return log.get();
}

std::uint64_t Workers::acked() const {
  auto lowest = table_.generation;
  for (const auto& worker : all_) {
    if (worker->live) lowest = std::min(lowest, worker->acked);
  }
  return lowest;
}

void Workers::check_acked() {
  const auto lowest = acked();
  if (lowest > told_acked_) {
    told_acked_ = lowest;
    events_.acked(lowest);
  }
}

std::vector<std::string> Workers::draining_targets() const {
  std::vector<std::string> ids;
  for (const auto& route : table_.routes) {
    for (const auto& release : route.releases) {
      for (const auto& target : release.targets) {
        if (target.state == TargetState::draining) ids.push_back(target.id);
      }
    }
  }
  return ids;
}

void Workers::check_drained(const std::string& target) {
  for (const auto& worker : all_) {
    if (worker->live && (worker->acked < table_.generation || !worker->drained.contains(target))) return;
  }
  const auto draining = draining_targets();
  if (std::ranges::find(draining, target) != draining.end()) events_.drained(target);
}

net::Task<Result<>> Workers::set_keys(wire::Keys keys) {
  const auto former = std::exchange(keys_, std::move(keys));
  std::vector<std::shared_ptr<Worker>> asked;
  for (const auto& worker : all_) {
    if (!worker->live) continue;
    worker->keys_answer.reset();
    worker->link->send(keys_);
    asked.push_back(worker);
  }
  const auto until = std::chrono::steady_clock::now() + kAckPatience;
  Result<> taken;
  for (const auto& worker : asked) {
    while (!worker->keys_answer && worker->live && co_await wait_changed(until)) {
    }
    if (!taken || !worker->live) continue;
    if (!worker->keys_answer) taken = fail("worker " + worker->id + " does not answer");
    else if (!worker->keys_answer->empty()) {
      taken = fail(ErrorKind::usage, "worker " + worker->id + " refused the certificates: " + *worker->keys_answer);
    }
  }
  if (!taken) {
    keys_ = former;
    for (const auto& worker : asked) worker->link->send(keys_);
  }
  co_return taken;
}

}  // namespace fleet
