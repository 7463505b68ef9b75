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
  if (!worker.over) fleet::take(worker.figures, worker.stats);
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

void Workers::take_figures(Worker& worker, const wire::Figures& told) {
  fleet::take(worker.figures, past_figures_, told);
  if (std::ranges::any_of(told.releases, &wire::ReleaseFigures::last)) keep_figures();
}

void Workers::keep_figures() {
  KeptFigures kept;
  kept.past = past_figures_;
  for (const auto& worker : all_) kept.workers.push_back(worker->id);
  events_.keep(kept);
}

void Workers::restore(KeptFigures kept) {
  const auto is_here = [this](const std::string& id) {
    return std::ranges::any_of(all_, [&](const auto& worker) { return worker->id == id; });
  };
  if (std::ranges::all_of(kept.workers, is_here)) past_figures_ = std::move(kept.past);
  keep_figures();
}

void Workers::forget_figures(const std::function<bool(const std::string& key)>& wanted) {
  std::erase_if(past_figures_.releases, [&](const auto& entry) { return !wanted(entry.first); });
}

FigureSums Workers::figures() const {
  auto sums = past_figures_;
  for (const auto& worker : all_) fleet::add(sums, worker->figures);
  return sums;
}

std::uint64_t Workers::highest_generation() const {
  std::uint64_t highest = 0;
  for (const auto& worker : all_) highest = std::max(highest, worker->acked);
  return highest;
}

std::map<std::uint32_t, std::uint64_t> Workers::generations() const {
  std::map<std::uint32_t, std::uint64_t> by_slot;
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    const auto& worker = slots_[number]->worker;
    if (slots_[number]->wanted) by_slot[number] = worker ? worker->acked : 0;
  }
  return by_slot;
}

wire::Stats Workers::now() const {
  wire::Stats all;
  for (const auto& worker : all_) {
    all.connections += worker->stats.connections;
    all.held += worker->stats.held;
    all.targets.insert(all.targets.end(), worker->stats.targets.begin(), worker->stats.targets.end());
  }
  return all;
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
      view.version = worker->version;
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
