#include "metrics.hpp"

#include <charconv>
#include <cmath>
#include <initializer_list>

#include "core/latency.hpp"

namespace fleet {
namespace {

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

std::string number(double value) {
  char text[400];  // the longest there is
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr};
}

double seconds(std::uint64_t us) { return static_cast<double>(us) / 1e6; }

// A bound as both formats write it in the label: "0.5", "10.0".
std::string bound(std::uint64_t us) {
  auto text = number(seconds(us));
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

class Text {
 public:
  explicit Text(api::MetricsFormat format) : format_(format) {}

  void family(const MetricReference& metric) {
    name_ = metric.name;
    auto title = name_;
    // OpenMetrics: the family of a counter is named without what its samples end in.
    if (format_ == api::MetricsFormat::openmetrics && metric.type == "counter") title.remove_suffix(kTotal.size());
    out_.append("# HELP ").append(title).append(" ");
    escape(metric.meaning, false);
    out_.append("\n# TYPE ").append(title).append(" ").append(metric.type).append("\n");
  }
  void sample(Labels labels, std::uint64_t value) { line("", labels, {}, std::to_string(value)); }
  void sample(Labels labels, double value) { line("", labels, {}, number(value)); }
  void histogram(Labels labels, const wire::Latencies& latencies) {
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < latencies.counts.size(); ++i) {
      so_far += latencies.counts[i];
      if (i >= kLatencyBounds.size()) continue;
      line("_bucket", labels, bound(kLatencyBounds[i]), std::to_string(so_far));
    }
    line("_bucket", labels, "+Inf", std::to_string(so_far));
    line("_sum", labels, {}, number(seconds(latencies.sum_us)));
    line("_count", labels, {}, std::to_string(so_far));
  }
  std::string done() && {
    if (format_ == api::MetricsFormat::openmetrics) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  static constexpr std::string_view kTotal = "_total";

  void line(std::string_view suffix, Labels labels, std::string_view le, std::string_view value) {
    out_.append(name_).append(suffix);
    char before = '{';
    const auto put = [&](std::string_view label, std::string_view text) {
      out_ += std::exchange(before, ',');
      out_.append(label).append("=\"");
      escape(text, true);
      out_ += '"';
    };
    for (const auto& [label, text] : labels) put(label, text);
    if (!le.empty()) put("le", le);
    if (before == ',') out_ += '}';
    out_.append(" ").append(value).append("\n");
  }

  void escape(std::string_view text, bool quotes) {
    for (const char c : text) {
      if (c == '\\' || (c == '"' && quotes)) out_ += '\\';
      if (c == '\n') out_ += "\\n";
      else out_ += c;
    }
  }

  api::MetricsFormat format_;
  std::string_view name_;
  std::string out_;
};

std::string release_label(std::uint64_t release) { return release == 0 ? "" : std::to_string(release); }

template <class F>
void each_release(const MetricFacts& facts, F&& write) {
  for (const auto& [key, figures] : facts.figures.releases) write(figures, release_label(figures.release));
}

void counts(Text& out, const MetricFacts& facts, std::string_view label,
            std::map<std::string, std::uint64_t> wire::ReleaseFigures::*member) {
  each_release(facts, [&](const wire::ReleaseFigures& figures, const std::string& release) {
    for (const auto& [name, count] : figures.*member) {
      out.sample({{"app", figures.app}, {"release", release}, {label, name}}, count);
    }
  });
}

void histograms(Text& out, const MetricFacts& facts, wire::Latencies wire::ReleaseFigures::*member) {
  each_release(facts, [&](const wire::ReleaseFigures& figures, const std::string& release) {
    out.histogram({{"app", figures.app}, {"release", release}}, figures.*member);
  });
}

void sums(Text& out, const MetricFacts& facts, std::uint64_t wire::ReleaseFigures::*member) {
  each_release(facts, [&](const wire::ReleaseFigures& figures, const std::string& release) {
    out.sample({{"app", figures.app}, {"release", release}}, figures.*member);
  });
}

void app_counts(Text& out, const MetricFacts& facts, std::uint64_t AppCounts::*member) {
  for (const auto& [app, counted] : facts.counts) out.sample({{"app", app}}, counted.*member);
}

template <NamedEnum E>
std::map<E, std::uint64_t> none_of_each() {
  std::map<E, std::uint64_t> all;
  for (std::size_t i = 0; i < enum_count<E>(); ++i) all[static_cast<E>(i)] = 0;
  return all;
}

struct Metric {
  MetricReference reference;
  void (*write)(Text&, const MetricFacts&);
};

using F = const MetricFacts&;
using wire::ReleaseFigures;

const Metric kMetrics[] = {
    // Requests
    {{"fleet_requests_total", "counter", "app, release, code",
      "Requests that are over, by the status code of their answer; code \"none\": the client left before one. Without "
      "release: answered by fleet itself. Without app: of no app's route, redirects of none, or not HTTP."},
     [](Text& out, F facts) { counts(out, facts, "code", &ReleaseFigures::codes); }},
    {{"fleet_request_first_byte_seconds", "histogram", "app, release",
      "From the end of a request's head to the first byte of the application's answer."},
     [](Text& out, F facts) { histograms(out, facts, &ReleaseFigures::first_byte); }},
    {{"fleet_request_duration_seconds", "histogram", "app, release",
      "From the end of a request's head to the last byte of its answer."},
     [](Text& out, F facts) { histograms(out, facts, &ReleaseFigures::total); }},
    {{"fleet_requests_in_flight", "gauge", "app, release", "Requests that are with an instance now."},
     [](Text& out, F facts) {
       each_release(facts, [&](const ReleaseFigures& figures, const std::string& release) {
         if (figures.release == 0) return;
         const auto found = facts.in_flight.find(figures_key(figures.app, figures.release));
         const std::uint64_t count = found == facts.in_flight.end() ? 0 : found->second;
         out.sample({{"app", figures.app}, {"release", release}}, count);
       });
     }},
    {{"fleet_request_body_bytes_total", "counter", "app, release", "Bytes of bodies that clients sent."},
     [](Text& out, F facts) { sums(out, facts, &ReleaseFigures::bytes_in); }},
    {{"fleet_response_body_bytes_total", "counter", "app, release", "Bytes of bodies of answers, fleet's own too."},
     [](Text& out, F facts) { sums(out, facts, &ReleaseFigures::bytes_out); }},
    {{"fleet_retries_total", "counter", "app, release", "Attempts that were taken up again, elsewhere or anew."},
     [](Text& out, F facts) { sums(out, facts, &ReleaseFigures::retries); }},
    {{"fleet_held_requests_total", "counter", "app, release", "Requests that had to wait for a target."},
     [](Text& out, F facts) { sums(out, facts, &ReleaseFigures::held); }},
    {{"fleet_hold_seconds_total", "counter", "app, release", "How long those have waited, all together."},
     [](Text& out, F facts) {
       each_release(facts, [&](const ReleaseFigures& figures, const std::string& release) {
         out.sample({{"app", figures.app}, {"release", release}}, seconds(figures.held_us));
       });
     }},
    {{"fleet_requests_waiting", "gauge", "", "Requests that wait for a target now."},
     [](Text& out, F facts) { out.sample({}, std::uint64_t{facts.held}); }},
    {{"fleet_upstream_failures_total", "counter", "app, release, kind",
      "Attempts at an instance that came to nothing, retried or not, by how they ended."},
     [](Text& out, F facts) { counts(out, facts, "kind", &ReleaseFigures::upstream_failures); }},
    {{"fleet_own_errors_total", "counter", "app, release, reason",
      "Errors that fleet answered by itself, by the reason that the answer's X-Fleet-Error gives, and requests that ended "
      "without an answer, by the reason in the access log."},
     [](Text& out, F facts) { counts(out, facts, "reason", &ReleaseFigures::own_errors); }},

    // Connections
    {{"fleet_connections", "gauge", "", "Client connections that are open."},
     [](Text& out, F facts) { out.sample({}, std::uint64_t{facts.connections}); }},
    {{"fleet_connections_accepted_total", "counter", "", "Client connections."},
     [](Text& out, F facts) { out.sample({}, facts.figures.accepted); }},
    {{"fleet_connections_turned_away_total", "counter", "", "Client connections closed at once, for lack of descriptors."},
     [](Text& out, F facts) { out.sample({}, facts.figures.turned_away); }},
    {{"fleet_connections_over_address_limit_total", "counter", "",
      "Client connections closed at once, as their address had too many."},
     [](Text& out, F facts) { out.sample({}, facts.figures.over_address_limit); }},
    {{"fleet_connections_evicted_total", "counter", "", "Idle client connections closed to make room for others."},
     [](Text& out, F facts) { out.sample({}, facts.figures.evicted); }},
    {{"fleet_proxy_headers_refused_total", "counter", "",
      "Client connections closed for a missing, malformed or untrusted PROXY header."},
     [](Text& out, F facts) { out.sample({}, facts.figures.bad_proxy_headers); }},
    {{"fleet_slow_clients_total", "counter", "", "Requests ended as their client was too slow in sending or taking bytes."},
     [](Text& out, F facts) { out.sample({}, facts.figures.slow_clients); }},
    {{"fleet_loops_refused_total", "counter", "", "Requests refused with 508, as they had passed through this fleet too often."},
     [](Text& out, F facts) { out.sample({}, facts.figures.loops); }},
    {{"fleet_tls_handshakes_total", "counter", "version, resumed", "TLS handshakes that succeeded."},
     [](Text& out, F facts) {
       for (const auto& count : facts.figures.handshakes) {
         out.sample({{"version", count.version}, {"resumed", "false"}}, count.full);
         out.sample({{"version", count.version}, {"resumed", "true"}}, count.resumed);
       }
     }},
    {{"fleet_tls_handshake_failures_total", "counter", "", "TLS handshakes that failed or took too long."},
     [](Text& out, F facts) { out.sample({}, facts.figures.failed_handshakes); }},
    {{"fleet_access_log_lines_lost_total", "counter", "", "Lines of access logs that could not be written."},
     [](Text& out, F facts) { out.sample({}, facts.figures.log_lines_lost); }},
    {{"fleet_certificate_expiry_seconds", "gauge", "file, name", "Unix time at which a certificate in use expires."},
     [](Text& out, F facts) {
       for (const auto& certificate : facts.certificates) {
         out.sample({{"file", certificate.file}, {"name", certificate.name}}, static_cast<std::uint64_t>(certificate.expires));
       }
     }},

    // Apps
    {{"fleet_app_up", "gauge", "app", "1 while at least one instance of the app takes requests."},
     [](Text& out, F facts) {
       for (const auto& app : facts.status.apps) {
         const bool up = app.state == api::AppState::serving || app.state == api::AppState::degraded;
         out.sample({{"app", app.name}}, std::uint64_t{up});
       }
     }},
    {{"fleet_app_release", "gauge", "app", "Number of the current release; 0: none."},
     [](Text& out, F facts) {
       for (const auto& app : facts.status.apps) out.sample({{"app", app.name}}, app.release.value_or(0));
     }},
    {{"fleet_app_instances_wanted", "gauge", "app", "Instances of the current release, as configured."},
     [](Text& out, F facts) {
       for (const auto& app : facts.status.apps) out.sample({{"app", app.name}}, std::uint64_t{app.wanted});
     }},
    {{"fleet_app_instances", "gauge", "app, state", "Instances, of any release, by their state."},
     [](Text& out, F facts) {
       for (const auto& app : facts.status.apps) {
         auto states = none_of_each<api::InstanceState>();
         for (const auto& instance : app.instances) ++states[instance.state];
         for (const auto& [state, count] : states) out.sample({{"app", app.name}, {"state", name(state)}}, count);
       }
     }},
    {{"fleet_instance_starts_total", "counter", "app", "Instances that fleetd has started."},
     [](Text& out, F facts) { app_counts(out, facts, &AppCounts::started); }},
    {{"fleet_instance_exits_total", "counter", "app", "Instances that ended without being told to."},
     [](Text& out, F facts) { app_counts(out, facts, &AppCounts::exited); }},
    {{"fleet_instance_health_failures_total", "counter", "app", "How often an instance left rotation as unhealthy."},
     [](Text& out, F facts) { app_counts(out, facts, &AppCounts::unhealthy); }},
    {{"fleet_deployments_total", "counter", "app, outcome", "Deploys, rollbacks and restarts that are over."},
     [](Text& out, F facts) {
       for (const auto& [app, counted] : facts.counts) {
         for (const auto& [outcome, count] : counted.deployments) {
           out.sample({{"app", app}, {"outcome", outcome}}, count);
         }
       }
     }},
    {{"fleet_deployment_running", "gauge", "app", "1 while a deployment is under way."},
     [](Text& out, F facts) {
       for (const auto& app : facts.status.apps) {
         out.sample({{"app", app.name}}, std::uint64_t{app.deployment.has_value()});
       }
     }},

    // fleet itself
    {{"fleet_build_info", "gauge", "version", "Always 1."},
     [](Text& out, F facts) { out.sample({{"version", facts.status.version}}, std::uint64_t{1}); }},
    {{"fleet_ready", "gauge", "", "1 once fleetd has come up, as in /healthz."},
     [](Text& out, F facts) { out.sample({}, std::uint64_t{facts.ready}); }},
    {{"fleet_alarm", "gauge", "alarm", "1 while that alarm is on, as in fleetctl status."},
     [](Text& out, F facts) {
       for (const auto alarm : fleet_names(api::AlarmName{})) {
         const auto is_on = [&](const api::AlarmView& one) { return name(one.name) == alarm; };
         out.sample({{"alarm", alarm}}, std::uint64_t{std::ranges::any_of(facts.status.alarms, is_on)});
       }
     }},
    {{"fleet_table_generation", "gauge", "", "Number of the routing table that is in force."},
     [](Text& out, F facts) { out.sample({}, facts.status.generation); }},
    {{"fleet_workers", "gauge", "state", "Worker processes of the proxy."},
     [](Text& out, F facts) {
       auto states = none_of_each<api::WorkerState>();
       for (const auto& worker : facts.status.workers) ++states[worker.state];
       for (const auto& [state, count] : states) out.sample({{"state", name(state)}}, count);
     }},
    {{"fleet_worker_table_generation", "gauge", "slot", "Number of the routing table by which that worker routes."},
     [](Text& out, F facts) {
       for (const auto& worker : facts.workers) out.sample({{"slot", std::to_string(worker.slot)}}, worker.generation);
     }},
    {{"fleet_worker_restarts_total", "counter", "slot", "Workers that ended unasked and were started again."},
     [](Text& out, F facts) {
       for (const auto& worker : facts.workers) {
         out.sample({{"slot", std::to_string(worker.slot)}}, std::uint64_t{worker.restarts});
       }
     }},
    {{"process_cpu_seconds_total", "counter", "", "CPU time of fleetd, without workers and applications."},
     [](Text& out, F facts) { out.sample({}, facts.process.cpu_seconds); }},
    {{"process_resident_memory_bytes", "gauge", "", "Resident memory of fleetd."},
     [](Text& out, F facts) { out.sample({}, facts.process.resident_bytes); }},
    {{"process_virtual_memory_bytes", "gauge", "", "Virtual memory of fleetd."},
     [](Text& out, F facts) { out.sample({}, facts.process.virtual_bytes); }},
    {{"process_open_fds", "gauge", "", "Descriptors that fleetd has open."},
     [](Text& out, F facts) { out.sample({}, facts.process.open_fds); }},
    {{"process_max_fds", "gauge", "", "Descriptors that fleetd may have open."},
     [](Text& out, F facts) { out.sample({}, facts.process.max_fds); }},
    {{"process_start_time_seconds", "gauge", "", "Unix time at which fleetd began."},
     [](Text& out, F facts) { out.sample({}, facts.process.started); }},
};

}  // namespace

std::string expose(const MetricFacts& facts, api::MetricsFormat format) {
  Text out(format);
  for (const auto& metric : kMetrics) {
    out.family(metric.reference);
    metric.write(out, facts);
  }
  return std::move(out).done();
}

std::vector<MetricReference> metric_reference() {
  std::vector<MetricReference> all;
  for (const auto& metric : kMetrics) all.push_back(metric.reference);
  return all;
}

}  // namespace fleet
