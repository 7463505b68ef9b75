// What GET /metrics answers: every metric, once, in a table from which the text and fleet-metrics(7) derive. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/backend.hpp"
#include "figures.hpp"

namespace fleet {

struct CertificateFacts {
  std::string file, name;       // name: the first that it is for
  std::int64_t expires = 0;     // Unix time
};

struct ProcessFacts {
  double cpu_seconds = 0, started = 0;  // started: Unix time
  std::uint64_t resident_bytes = 0, virtual_bytes = 0, open_fds = 0, max_fds = 0;
};

struct WorkerFacts {
  std::uint32_t slot = 0, restarts = 0;
  std::uint64_t generation = 0;  // that it routes by; 0: none
};

// What has happened to an app since fleetd began.
struct AppCounts {
  std::uint64_t started = 0, exited = 0, unhealthy = 0;  // instances; exited: by themselves
  std::map<std::string, std::uint64_t> deployments;      // by outcome
};

struct MetricFacts {
  api::StatusView status;
  bool ready = false;
  FigureSums figures;                                 // of the releases that are to be shown
  std::map<std::string, std::uint32_t> in_flight;     // by figures_key()
  std::uint32_t connections = 0, held = 0;
  std::vector<WorkerFacts> workers;
  std::map<std::string, AppCounts> counts;            // by app
  std::vector<CertificateFacts> certificates;
  ProcessFacts process;
};

std::string expose(const MetricFacts& facts, api::MetricsFormat format);

struct MetricReference {
  std::string_view name;
  std::string_view type;    // "counter", "gauge", "histogram"
  std::string_view labels;  // "app, release", or empty
  std::string_view meaning;
};
std::vector<MetricReference> metric_reference();

}  // namespace fleet
