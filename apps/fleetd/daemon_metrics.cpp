// What fleetd knows, gathered for GET /metrics.
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <ctime>
#include <fstream>
#include <set>

#include "core/json.hpp"
#include "daemon.hpp"
#include "metrics.hpp"

namespace fleet {
namespace {

constexpr milliseconds kFreshFigures{200};  // a worker that does not answer by then is shown as it was

std::uint64_t kib_of(const std::string& line) { return std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10); }

ProcessFacts own_process(double started) {
  ProcessFacts facts;
  facts.started = started;
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  facts.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) facts.resident_bytes = kib_of(line) << 10;
    if (line.starts_with("VmSize:")) facts.virtual_bytes = kib_of(line) << 10;
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    (void)entry;
    ++facts.open_fds;
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  facts.max_fds = limit.rlim_cur;
  return facts;
}

void count_events(const api::EventLog& events, std::map<std::string, AppCounts>& counts) {
  for (const auto& [kind, count] : events.counts()) {
    const auto app = counts.find(kind.app);
    if (app == counts.end()) continue;
    if (kind.type == api::EventType::instance_started) app->second.started += count;
    if (kind.type == api::EventType::instance_exited) app->second.exited += count;
    if (kind.type == api::EventType::instance_unhealthy) app->second.unhealthy += count;
    if (kind.type == api::EventType::deployment_finished && kind.outcome) {
      app->second.deployments[std::string(name(*kind.outcome))] += count;
    }
  }
}

// "2026-11-22T23:31:10.123Z" -> Unix time.
std::int64_t unix_time(const std::string& text) {
  std::tm parts{};
  return ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) ? ::timegm(&parts) : 0;
}

AppCounts no_counts() {
  AppCounts counts;
  for (const auto outcome : fleet_names(api::Outcome{})) counts.deployments[std::string(outcome)] = 0;
  return counts;
}

}  // namespace

void Daemon::keep_figures(const KeptFigures& kept) {
  if (auto saved = store_.put("figures", json::write(kept).dump()); !saved) {
    spdlog::warn("cannot save what workers have counted: {}", saved.error().text);
  }
}

void Daemon::restore_figures() {
  KeptFigures kept;
  const auto saved = store_.get("figures");
  if (!saved || saved->empty()) return;
  const auto parsed = json::Json::parse(*saved, nullptr, false);
  if (!parsed.is_discarded() && json::read(parsed, kept)) workers_.restore(std::move(kept));
}

net::Task<std::string> Daemon::metrics(api::MetricsFormat format) {
  co_await workers_.refresh(kFreshFigures);
  MetricFacts facts;
  facts.ready = ready_;
  if (executor_) {
    facts.status = status();
    facts.figures = workers_.figures();
    std::set<std::string> shown = {figures_key("", 0)};
    for (const auto& app : facts.status.apps) {
      facts.counts[app.name] = no_counts();
      shown.insert(figures_key(app.name, 0));
      for (const auto& instance : app.instances) shown.insert(figures_key(app.name, instance.release));
      const auto releases = executor_->releases(app.name);
      if (!releases) continue;
      for (const auto& release : *releases) {
        if (release.retained) shown.insert(figures_key(app.name, release.number));
      }
    }
    const auto is_shown = [&](const std::string& key) { return shown.contains(key); };
    workers_.forget_figures(is_shown);
    std::erase_if(facts.figures.releases, [&](const auto& entry) { return !is_shown(entry.first); });
  }
  for (const auto& certificate : facts.status.certificates) {
    if (!certificate.expires_at) continue;
    const auto name = certificate.names.empty() ? "" : certificate.names.front();
    facts.certificates.push_back({certificate.file, name, unix_time(*certificate.expires_at)});
  }
  count_events(events_, facts.counts);
  const auto now = workers_.now();
  facts.connections = now.connections;
  facts.held = now.held;
  for (const auto& target : now.targets) facts.in_flight[figures_key(target.app, target.release)] += target.in_flight;
  for (const auto& [slot, generation] : workers_.generations()) {
    WorkerFacts worker;
    worker.slot = slot;
    worker.generation = generation;
    for (const auto& view : facts.status.workers) {
      if (view.slot == slot) worker.restarts = view.restarts;
    }
    facts.workers.push_back(worker);
  }
  facts.process = own_process(std::chrono::duration<double>(began_.time_since_epoch()).count());
  co_return expose(facts, format);
}

}  // namespace fleet
