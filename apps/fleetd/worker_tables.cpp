// What workers are told, and whether they have taken it: tables and keys.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "worker.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr milliseconds kBetweenLooks = 5s;  // at the size of access logs
constexpr auto kAckPatience = 5s;  // a worker that does not take a table in this time is replaced

}  // namespace

void Workers::publish(const RouteTable& table) {
  table_ = table;
  const bool fell_back = last_good_.bad_table() != 0;
  last_good_.retry_table();
  if (fell_back) keep_fallback();
  std::set<std::string> apps;
  for (const auto& route : table_.routes) apps.insert(route.app);
  access_logs_.keep_only(apps);
  for (const auto& worker : all_) {
    if (worker->table_sent != decltype(worker->table_sent){}) send_table(*worker);
  }
  check_acked();
  if (!watching_acks_) tasks_.spawn(watch_acks());
}

void Workers::set_settings(ProxySettings settings) {
  if (settings == settings_) return;
  settings_ = std::move(settings);
  for (const auto& worker : all_) {
    if (worker->table_sent != decltype(worker->table_sent){}) send_table(*worker);
  }
}

void Workers::send_table(Worker& worker) {
  wire::Table message;
  message.table = table_for(worker);
  message.settings = settings_;
  std::vector<int> fds;
  std::vector<std::string> others;
  for (const auto& route : message.table.routes) {
    if (route.access_log == AccessLog::off) continue;
    if (fds.size() >= wire::kMaxFds) {
      others.push_back(route.app);
    } else if (const int fd = access_logs_.open(route.app); fd >= 0) {
      message.access_logs.push_back(route.app);
      fds.push_back(fd);
    }
  }
  send_logs(worker, others);  // before the table by which they are written to
  worker.table_sent = std::chrono::steady_clock::now();
  worker.basis.generation = message.table.generation;
  worker.link->send(message, fds);
}

// A worker that holds up a table is replaced; the deploy waits for its successor.
net::Task<> Workers::watch_acks() {
  watching_acks_ = true;
  while (acked() < table_.generation && !closing_) {
    net::Timer timer(io_, 1s);
    if (std::get<0>(co_await timer.async_wait(net::use_result))) break;
    for (const auto& worker : all_) {
      if (!worker->live || worker->acked >= worker->basis.generation) continue;
      if (std::chrono::steady_clock::now() - worker->table_sent < kAckPatience) continue;
      spdlog::error("worker does not take the table, replacing it id={} acked={} generation={}", worker->id, worker->acked,
                    table_.generation);
      worker->kill();
    }
  }
  watching_acks_ = false;
}

// In as many messages as their descriptors need.
void Workers::send_logs(Worker& worker, std::span<const std::string> apps) {
  wire::AccessLogs message;
  std::vector<int> fds;
  for (const auto& app : apps) {
    if (const int fd = access_logs_.open(app); fd >= 0) {
      message.apps.push_back(app);
      fds.push_back(fd);
    }
    if (fds.empty() || (&app != &apps.back() && fds.size() < wire::kMaxFds)) continue;
    worker.link->send(message, fds);
    message.apps.clear(), fds.clear();
  }
}

void Workers::rotate_logs(AccessLogFiles::Rotation rotation) {
  rotation_ = rotation;
  tend_logs(true);
}

void Workers::tend_logs(bool all) {
  const auto anew = access_logs_.tend(rotation_, all);
  if (anew.empty()) return;
  for (const auto& worker : all_) {
    if (worker->table_sent != decltype(worker->table_sent){}) send_logs(*worker, anew);
  }
}

net::Task<> Workers::watch_logs() {
  while (!closing_) {
    co_await pause(kBetweenLooks);
    tend_logs(false);
  }
}

std::uint64_t Workers::acked() const {
  auto lowest = table_.generation;
  for (const auto& worker : all_) {
    if (worker->live) lowest = std::min(lowest, worker->acked);
  }
  return lowest;
}

net::Task<> Workers::wait_told() {
  const auto is_told = [](const auto& worker) { return !worker->live || worker->acked >= worker->basis.generation; };
  while (!std::ranges::all_of(all_, is_told) && co_await wait_changed(net::Timer::time_point::max())) {
  }
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

void Workers::send_keys(Worker& worker) {
  ++worker.keys_sent;
  worker.link->send(keys_);
}

net::Task<Result<std::vector<wire::RefusedCertificate>>> Workers::set_keys(wire::Keys keys) {
  const auto former = std::exchange(keys_, std::move(keys));
  // One that is about to accept has these before it does.
  const auto asked = all_;
  for (const auto& worker : asked) {
    if (worker->keys_sent > 0) send_keys(*worker);
  }
  const auto until = std::chrono::steady_clock::now() + kAckPatience;
  std::vector<wire::RefusedCertificate> refused;
  Result<> taken;
  for (const auto& worker : asked) {
    while (worker->live && worker->keys_acked < worker->keys_sent && co_await wait_changed(until)) {
    }
    if (!taken || !worker->live) continue;
    const auto& answer = worker->keys_answer;
    if (worker->keys_acked < worker->keys_sent) {
      taken = fail(ErrorKind::unreachable, "worker " + worker->id + " does not answer");
    } else if (!answer.error.empty()) {
      taken = fail(ErrorKind::usage, "worker " + worker->id + " refused the certificates: " + answer.error);
    }
    refused.insert(refused.end(), answer.refused.begin(), answer.refused.end());
  }
  if (taken) co_return refused;
  if (taken.error().kind == ErrorKind::usage) {
    keys_ = former;
    for (const auto& worker : asked) {
      if (worker->live) send_keys(*worker);
    }
  }
  co_return std::unexpected(taken.error());
}

}  // namespace fleet
