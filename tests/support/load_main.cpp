// fleet-load: live traffic against a fleet, every answer checked; or the check of the ledgers afterwards.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "core/json.hpp"
#include "support/load.hpp"

namespace {

using namespace fleet;
using namespace fleet::test;

std::atomic<bool> stop = false;

struct Arguments {
  LoadOptions load;
  std::vector<std::string> urls;
  std::string connect_to, unix_path, ids, report, progress, ledger;
  double seconds = 0;
  unsigned slow_ms = 300;
};

void tell(const std::string& path, const LoadProgress& progress) {
  if (path.empty()) return;
  std::ofstream(path + ".new") << progress.requests << ' ' << progress.failed << '\n';
  std::filesystem::rename(path + ".new", path);
}

void print_summary(const LoadReport& report) {
  std::fprintf(stderr, "%llu requests in %.1f s (%llu POSTs, %llu connections), %llu failed\n",
               static_cast<unsigned long long>(report.requests), report.seconds,
               static_cast<unsigned long long>(report.posts), static_cast<unsigned long long>(report.connections),
               static_cast<unsigned long long>(report.failed));
  if (report.sent_again > 0) {
    std::fprintf(stderr, "%llu were sent again, as a GOAWAY said\n", static_cast<unsigned long long>(report.sent_again));
  }
  std::fprintf(stderr, "latency p50 %.1f ms, p99 %.1f ms, longest %.1f ms; longest gap between answers %.1f ms\n",
               report.p50_ms, report.p99_ms, report.max_ms, report.longest_gap_ms);
  for (const auto& [version, seen] : report.versions) {
    std::fprintf(stderr, "version %s answered %llu\n", version.c_str(), static_cast<unsigned long long>(seen.answers));
  }
  for (const auto& failure : report.failures) {
    std::fprintf(stderr, "failed: %s: %s: %llu, the first: %s\n", failure.what.c_str(), failure.cause.c_str(),
                 static_cast<unsigned long long>(failure.count), failure.example.c_str());
  }
}

int run(Arguments& arguments) {
  auto& load = arguments.load;
  for (const auto& url : arguments.urls) {
    auto peer = parse_url(url, arguments.connect_to);
    if (!peer) {
      std::cerr << "bad url: " << peer.error().text << '\n';
      return 2;
    }
    load.peers.push_back(std::move(*peer));
  }
  if (load.http2 > 0 && std::ranges::none_of(load.peers, &Peer::tls)) {
    std::cerr << "--http2 needs an https URL\n";
    return 2;
  }
  load.duration = milliseconds(static_cast<long>(arguments.seconds * 1000));
  load.slow = milliseconds(arguments.slow_ms);
  const auto on_signal = [](int) { stop = true; };
  ::signal(SIGINT, on_signal);
  ::signal(SIGTERM, on_signal);

  Transactions transactions;
  const auto report =
      run_load(load, stop, transactions, [&](const LoadProgress& progress) { tell(arguments.progress, progress); });
  if (!arguments.ids.empty() && !write_transactions(arguments.ids, transactions)) {
    std::cerr << "cannot write " << arguments.ids << '\n';
    return 1;
  }
  if (!arguments.report.empty()) std::ofstream(arguments.report) << json::write(report).dump(2) << '\n';
  print_summary(report);
  return report.failed == 0 && report.requests > 0 ? 0 : 1;
}

int check(const Arguments& arguments) {
  Transactions transactions;
  if (!read_transactions(arguments.ids, transactions)) {
    std::cerr << "cannot read " << arguments.ids << '\n';
    return 1;
  }
  const auto verdict = check_ledgers(transactions, arguments.ledger);
  std::cout << verdict.acknowledged << " acknowledged, " << verdict.recorded << " in " << verdict.files
            << " ledgers: " << verdict.lost << " lost, " << verdict.twice << " twice, " << verdict.foreign
            << " never sent\n";
  for (const auto& example : verdict.examples) std::cout << example << '\n';
  return verdict.exact() ? 0 : 1;
}

// For machines without curl.
int get(const Arguments& arguments) {
  for (const auto& url : arguments.urls) {
    auto peer = parse_url(url, arguments.connect_to);
    if (peer) peer->unix_path = arguments.unix_path;
    const auto path = url.find('/', url.find("://") + 3);
    const auto response = peer ? fetch(*peer, "GET", path == std::string::npos ? "/" : url.substr(path))
                               : Expected<Response>(std::unexpected(peer.error()));
    if (!response) {
      std::cerr << url << ": " << response.error().text << '\n';
      return 1;
    }
    std::cout << response->body;
    if (response->status >= 400) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  auto& load = arguments.load;
  CLI::App cli("Live traffic for a fleet, and the check of what became of it.", "fleet-load");
  cli.set_version_flag("--version", FLEET_VERSION);
  cli.require_subcommand(1);
  auto* run_command = cli.add_subcommand("run", "send requests until SIGINT, SIGTERM or --seconds");
  run_command->add_option("url", arguments.urls, "http(s)://name:port, one or more")->required();
  run_command->add_option("--connect-to", arguments.connect_to, "address to connect to instead of the URLs' host");
  run_command->add_option("--keep-alive", load.keep_alive, "clients that keep their connection");
  run_command->add_option("--per-request", load.per_request, "clients that connect for each request");
  run_command->add_option("--http2", load.http2, "clients that speak HTTP/2 to the https URLs, on one connection each");
  run_command->add_option("--streams", load.streams, "requests that each of those has under way at once");
  run_command->add_option("--websockets", load.websockets, "clients that have what they say echoed, besides the rate");
  run_command->add_flag("--mark", load.mark, "name each request in its target, ?n=RUN-CLIENT.NUMBER");
  run_command->add_option("--rate", load.rate, "requests per second, all together");
  run_command->add_option("--seconds", arguments.seconds, "how long; 0: until stopped");
  run_command->add_option("--post-percent", load.post_percent, "share of POST /tx");
  run_command->add_option("--slow-percent", load.slow_percent, "share of GET /slow");
  run_command->add_option("--stream-percent", load.stream_percent, "share of GET /stream, whose answer comes line by line");
  run_command->add_option("--slow-ms", arguments.slow_ms, "how long those two take");
  run_command->add_option("--run", load.run, "prefix of transaction ids");
  run_command->add_option("--ids", arguments.ids, "file for the ids of POSTs");
  run_command->add_option("--report", arguments.report, "file for the report, JSON");
  run_command->add_option("--progress", arguments.progress, "file that says \"REQUESTS FAILED\", ten times a second");
  auto* check_command = cli.add_subcommand("check", "compare the ids of a run with the applications' ledgers");
  check_command->add_option("ids", arguments.ids, "what --ids wrote")->required();
  check_command->add_option("ledger", arguments.ledger, "directory, searched for ledger-*.log")->required();
  auto* get_command = cli.add_subcommand("get", "print what is at a URL; certificates are not verified");
  get_command->add_option("url", arguments.urls, "http(s)://name:port/path")->required();
  get_command->add_option("--unix", arguments.unix_path, "socket to connect to instead");
  CLI11_PARSE(cli, argc, argv);
  if (get_command->parsed()) return get(arguments);
  return run_command->parsed() ? run(arguments) : check(arguments);
}
