// What workers tell: their counts, summed over all of them and over those that have ended.
#include <algorithm>

#include "worker.hpp"

namespace fleet {

net::Task<> Workers::refresh(milliseconds at_most) {
  for (const auto& worker : all_) {
    if (!worker->live) continue;
    worker->stats_asked = true;
    worker->link->send(wire::StatsRequest{});
  }
  const auto until = std::chrono::steady_clock::now() + at_most;
  const auto pending = [](const auto& worker) { return worker->live && worker->stats_asked; };
  while (std::ranges::any_of(all_, pending)) {
    if (!co_await wait_changed(until)) co_return;
  }
}

void Workers::set_stats(Worker& worker, wire::Stats stats) {
  // Targets that are not mentioned any more keep their place in the sums.
  for (const auto& old : worker.stats.targets) {
    const auto same = [&](const wire::TargetStats& t) { return t.target == old.target; };
    if (std::ranges::none_of(stats.targets, same)) add(past_[old.app], old);
  }
  worker.stats = std::move(stats);
}

void Workers::add(Totals& totals, const wire::TargetStats& stats) {
  totals.requests += stats.requests;
  totals.failed += stats.failed;
  totals.client_aborted += stats.client_aborted;
  totals.retried += stats.retried;
  totals.held += stats.held;
}

Totals Workers::totals(const std::string& app) const {
  const auto found = past_.find(app);
  Totals sum = found == past_.end() ? Totals{} : found->second;
  for (const auto& worker : all_) {
    for (const auto& target : worker->stats.targets) {
      if (target.app == app) add(sum, target);
    }
  }
  return sum;
}

std::uint32_t Workers::in_flight(const std::string& id) const {
  std::uint32_t sum = 0;
  for (const auto& worker : all_) {
    for (const auto& target : worker->stats.targets) sum += target.target == id ? target.in_flight : 0;
  }
  return sum;
}

std::vector<api::WorkerView> Workers::view() const {
  std::vector<api::WorkerView> all;
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    const auto& slot = *slots_[number];
    std::size_t shown = 0;
    for (const auto& worker : all_) {
      if (worker->slot != number) continue;
      ++shown;
      api::WorkerView view;
      view.slot = number;
      view.pid = worker->pid;
      view.id = worker->id;
      view.connections = worker->stats.connections;
      view.restarts = slot.restarts;
      view.state = worker->draining ? api::WorkerState::draining
                   : worker->live   ? api::WorkerState::accepting
                                    : api::WorkerState::starting;
      all.push_back(std::move(view));
    }
    if (shown > 0 || !slot.wanted) continue;
    api::WorkerView view;
    view.slot = number;
    view.restarts = slot.restarts;
    view.state = api::WorkerState::backoff;
    all.push_back(std::move(view));
  }
  return all;
}

}  // namespace fleet
