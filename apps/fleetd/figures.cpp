#include "figures.hpp"

#include <algorithm>

namespace fleet {
namespace {

void add(std::map<std::string, std::uint64_t>& into, const std::map<std::string, std::uint64_t>& from) {
  for (const auto& [name, count] : from) into[name] += count;
}

void add(wire::Latencies& into, const wire::Latencies& from) {
  if (into.counts.size() < from.counts.size()) into.counts.resize(from.counts.size());
  for (std::size_t i = 0; i < from.counts.size(); ++i) into.counts[i] += from.counts[i];
  into.sum_us += from.sum_us;
}

void add(wire::ReleaseFigures& into, const wire::ReleaseFigures& from) {
  into.app = from.app;
  into.release = from.release;
  add(into.codes, from.codes);
  add(into.own_errors, from.own_errors);
  add(into.upstream_failures, from.upstream_failures);
  add(into.first_byte, from.first_byte);
  add(into.total, from.total);
  into.bytes_in += from.bytes_in;
  into.bytes_out += from.bytes_out;
  into.retries += from.retries;
  into.held += from.held;
  into.held_us += from.held_us;
}

// What a worker counts by itself, and not for a release.
constexpr struct {
  std::uint64_t FigureSums::*sum;
  std::uint64_t wire::Stats::*told;
} kCounts[] = {
    {&FigureSums::accepted, &wire::Stats::accepted},
    {&FigureSums::turned_away, &wire::Stats::turned_away},
    {&FigureSums::log_lines_lost, &wire::Stats::log_lines_lost},
    {&FigureSums::failed_handshakes, &wire::Stats::failed_handshakes},
    {&FigureSums::bad_proxy_headers, &wire::Stats::bad_proxy_headers},
    {&FigureSums::over_address_limit, &wire::Stats::over_address_limit},
    {&FigureSums::evicted, &wire::Stats::evicted},
    {&FigureSums::slow_clients, &wire::Stats::slow_clients},
    {&FigureSums::loops, &wire::Stats::loops},
};

}  // namespace

std::string figures_key(const std::string& app, std::uint64_t release) { return app + "/" + std::to_string(release); }

void take(FigureSums& live, FigureSums& past, const wire::Figures& told) {
  for (const auto& figures : told.releases) {
    const auto key = figures_key(figures.app, figures.release);
    if (figures.last) {
      add(past.releases[key], figures);
      live.releases.erase(key);
    } else {
      live.releases[key] = figures;
    }
  }
}

void take(FigureSums& live, const wire::Stats& told) {
  for (const auto& count : kCounts) live.*count.sum = told.*count.told;
  live.handshakes = told.handshakes;
}

void add(FigureSums& into, const FigureSums& from) {
  for (const auto& [key, figures] : from.releases) add(into.releases[key], figures);
  for (const auto& count : kCounts) into.*count.sum += from.*count.sum;
  for (const auto& count : from.handshakes) {
    auto known = std::ranges::find(into.handshakes, count.version, &wire::HandshakeCount::version);
    if (known == into.handshakes.end()) known = into.handshakes.insert(known, {count.version, 0, 0});
    known->full += count.full;
    known->resumed += count.resumed;
  }
}

}  // namespace fleet
