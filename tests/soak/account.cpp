#include "account.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace fleet::soak {
namespace {

constexpr std::int64_t kAfterEffects = 3000;  // ms

std::string line(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string line(const char* format, ...) {
  char text[1024];
  va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return text;
}

unsigned long long count(std::uint64_t value) { return value; }

std::string describe(const test::Incident& incident, const LoggedRequest* logged) {
  std::string text = "at " + std::to_string(incident.failed_at) + " begun " + std::to_string(incident.begun_at) + " port " +
                     std::to_string(incident.port) + " connected " + std::to_string(incident.connected_at) + " " +
                     incident.mark + ": " + incident.text.substr(0, 300);
  if (logged != nullptr) {
    text += " | logged: " + logged->instance + " " + std::to_string(logged->status) + " " + logged->error;
  }
  return text;
}

bool struck_meanwhile(const Done& done, const std::vector<Fault>& faults) {
  return std::ranges::any_of(faults, [&](const Fault& fault) {
    const auto over = fault.until + fault.recovered_in.value_or(0) + kAfterEffects;
    return fault.at <= done.ended_at && over >= done.begun_at;
  });
}

}  // namespace

bool Account::is_good() const {
  return requests > 0 && real_failures == 0 && acknowledged > 0 && lost + doubled + never_sent == 0 && stale.empty() &&
         std::ranges::none_of(holdings, &Holding::leaks) && left.empty() &&
         std::ranges::all_of(operations, [](const auto& o) { return o.unexplained.empty(); }) &&
         std::ranges::all_of(faults, [](const auto& f) { return f.not_recovered == 0; });
}

void add_load(Account& account, const test::Verdict& verdict, const std::map<std::string, LoggedRequest>& logged,
              const std::vector<Fault>& faults) {
  const auto& load = verdict.load;
  account.requests = load.requests;
  account.posts = load.posts;
  account.tunnels = load.tunnels;
  account.echoes = load.echoes;
  account.connections = load.connections;
  account.p99_ms = load.p99_ms;
  account.longest_gap_ms = load.longest_gap_ms;
  account.acknowledged = verdict.ledger.acknowledged;
  account.lost = verdict.ledger.lost;
  account.doubled = verdict.ledger.twice;
  account.never_sent = verdict.ledger.foreign;
  for (const auto& incident : load.incidents) {
    const auto found = logged.find(incident.mark);
    const auto* entry = found == logged.end() ? nullptr : &found->second;
    const auto why = excuse(incident, entry, faults);
    auto same = std::ranges::find_if(account.failures, [&](const FailureClass& one) {
      return one.what == incident.what && one.cause == incident.cause && one.excuse == why;
    });
    if (same == account.failures.end()) {
      account.failures.push_back({incident.what, incident.cause, why, 0, describe(incident, entry)});
      same = std::prev(account.failures.end());
    }
    ++same->count;
    ++(why.empty() ? account.real_failures : account.allowed_failures);
  }
  // Those beyond what a client keeps a note of have no excuse.
  const auto noted = account.real_failures + account.allowed_failures;
  if (load.failed > noted) account.real_failures += load.failed - noted;
}

void add_faults(Account& account, const std::vector<Fault>& faults) {
  for (std::size_t i = 0; i < enum_count<FaultKind>(); ++i) {
    FaultClass of_kind{std::string(name(static_cast<FaultKind>(i)))};
    std::vector<std::int64_t> times;
    for (const auto& fault : faults) {
      if (fault.kind != static_cast<FaultKind>(i)) continue;
      ++of_kind.times;
      of_kind.not_recovered += fault.recovered_in ? 0 : 1;
      if (fault.recovered_in) times.push_back(*fault.recovered_in);
    }
    std::ranges::sort(times);
    if (!times.empty()) of_kind.median_ms = times[times.size() / 2], of_kind.worst_ms = times.back();
    if (of_kind.times > 0) account.faults.push_back(std::move(of_kind));
  }
}

void add_history(Account& account, const History& history, const std::vector<Fault>& faults, const test::LoadReport& load) {
  for (const auto& done : history.done) {
    auto same = std::ranges::find(account.operations, done.operation, &OperationClass::operation);
    if (same == account.operations.end()) {
      account.operations.push_back({done.operation, 0, 0, 0, {}});
      same = std::prev(account.operations.end());
    }
    ++same->times;
    if (done.as_expected) ++same->as_expected;
    else if (struck_meanwhile(done, faults)) ++same->excused;
    else same->unexplained.push_back(done.app + ": " + std::to_string(done.code) + " at " + std::to_string(done.begun_at) + " " + done.text);
  }
  for (const auto& [version, since] : history.replaced) {
    const auto seen = load.versions.find(version);
    if (seen != load.versions.end() && seen->second.last_start > since) account.stale.push_back(version);
  }
  for (const auto& version : history.never_served) {
    if (load.versions.contains(version)) account.stale.push_back(version);
  }
}

std::string to_text(const Account& a) {
  std::string out = line("%-14s seed %llu, faults %s, %.0f s\n", "soak", count(a.seed), a.faults_asked.c_str(), a.seconds);
  out += line("%-14s %8llu   %llu connections, %llu WebSockets with %llu echoes; p99 %.0f ms, longest gap %.0f ms\n", "requests",
              count(a.requests), count(a.connections), count(a.tunnels), count(a.echoes), a.p99_ms, a.longest_gap_ms);
  out += line("%-14s %8llu   and %llu allowed\n", "real failures", count(a.real_failures), count(a.allowed_failures));
  for (const auto& failure : a.failures) {
    out += line("  %-12s %8llu   %s, %s\n", failure.what.c_str(), count(failure.count), failure.cause.c_str(),
                failure.excuse.empty() ? ("REAL; the first " + failure.example).c_str() : failure.excuse.c_str());
  }
  out += line("%-14s %8llu   %llu acknowledged, %llu lost, %llu doubled, %llu never sent\n", "POSTs", count(a.posts),
              count(a.acknowledged), count(a.lost), count(a.doubled), count(a.never_sent));
  out += line("%-14s %8zu\n", "stale releases", a.stale.size());
  for (const auto& version : a.stale) out += "  " + version + "\n";
  std::uint64_t faults = 0, operations = 0;
  for (const auto& fault : a.faults) faults += fault.times;
  out += line("%-14s %8llu   recovered in: median, worst\n", "faults", count(faults));
  for (const auto& fault : a.faults) {
    out += line("  %-12s %8llu   %6lld %6lld ms%s\n", fault.fault.c_str(), count(fault.times),
                static_cast<long long>(fault.median_ms), static_cast<long long>(fault.worst_ms),
                fault.not_recovered == 0 ? "" : line(", NOT RECOVERED %llu", count(fault.not_recovered)).c_str());
  }
  for (const auto& operation : a.operations) operations += operation.times;
  out += line("%-14s %8llu   as expected, otherwise for a fault\n", "operations", count(operations));
  for (const auto& operation : a.operations) {
    out += line("  %-14s %6llu   %6llu %6llu%s\n", operation.operation.c_str(), count(operation.times),
                count(operation.as_expected), count(operation.excused),
                operation.unexplained.empty() ? "" : line(", UNEXPLAINED %zu", operation.unexplained.size()).c_str());
    for (const auto& why : operation.unexplained) out += "    " + why + "\n";
  }
  out += line("%-14s %8s   before, after\n", "leaks", std::ranges::any_of(a.holdings, &Holding::leaks) ? "YES" : "none");
  for (const auto& holding : a.holdings) {
    out += line("  %-20s   %6llu %6llu%s\n", holding.what.c_str(), count(holding.before), count(holding.after),
                holding.leaks() ? ", LEAKS" : "");
  }
  for (const auto& what : a.left) out += "WRONG AT THE END: " + what + "\n";
  return out;
}

}  // namespace fleet::soak
