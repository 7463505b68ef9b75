#include "probes.hpp"

#include <utility>

namespace fleet {
namespace {

constexpr net::Timer::duration kBetweenGatherings = std::chrono::milliseconds(10);

// Late enough for what is asked now, and the same for all that is asked within a while.
net::Timer::time_point next_gathering() {
  const auto now = std::chrono::steady_clock::now();
  return now - now.time_since_epoch() % kBetweenGatherings + 2 * kBetweenGatherings;
}

}  // namespace

void Probes::begin(const std::string& app, const std::string& instance, ProbeTarget target, bool keeps) {
  Asked asked{app, instance, std::move(target), nullptr};
  if (keeps && asked.target.health.kind == HealthKind::http) {
    auto& line = lines_[app][instance];
    if (!line) line = std::make_shared<ProbeLine>(io_);
    const bool in_use = line.use_count() > 1;  // by a probe of the instance as it was before, in another phase
    if (!in_use) asked.line = line;
  }
  if (!asked.line || !ask(asked.target, *asked.line)) return tasks_.spawn(run(std::move(asked)));
  asked_.push_back(std::move(asked));
  if (asked_.size() == 1) tasks_.spawn(gather());
}

net::Task<> Probes::gather() {
  net::Timer moment(io_, next_gathering());
  (void)co_await moment.async_wait(net::use_result);
  for (auto& asked : std::exchange(asked_, {})) {
    auto report = answer(asked.target, *asked.line);
    if (report) tell_(asked.app, asked.instance, std::move(*report));
    else tasks_.spawn(run(std::move(asked)));
  }
}

net::Task<> Probes::run(Asked asked) {
  auto report = co_await probe(io_, std::move(asked.target), std::move(asked.line));
  tell_(asked.app, asked.instance, std::move(report));
}

void Probes::hang_up(const std::string& app, const std::function<bool(const std::string& instance)>& stays) {
  const auto lines = lines_.find(app);
  if (lines == lines_.end()) return;
  std::erase_if(lines->second, [&](const auto& entry) {
    if (stays(entry.first)) return false;
    entry.second->give_up();
    return true;
  });
  if (lines->second.empty()) lines_.erase(lines);
}

}  // namespace fleet
