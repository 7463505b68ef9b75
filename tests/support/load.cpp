#include "support/load.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <optional>
#include <stdexcept>
#include <thread>

#include "support/load_account.hpp"

namespace fleet::test {
namespace {

// A naive client of HTTP/1.1, one request at a time. `keeps`: its connection, for the next one.
class Http1Load {
 public:
  Http1Load(Run& run, Account& account, const Peer& peer, bool keeps)
      : run_(run), account_(account), peer_(peer), keeps_(keeps) {}

  void work(std::chrono::nanoseconds interval, LoadClock::time_point next) {
    for (; !run_.over(); next += interval) {
      const auto now = LoadClock::now();
      if (next < now - std::chrono::seconds(1)) next = now;  // does not make up for more than a second
      run_.wait_until(next);
      if (run_.over()) return;
      const auto errand = account_.next();
      bool sent = false;
      const auto response = perform(errand, sent);
      if (!response || !keeps_ || !response->keeps) connection_.reset();
      account_.done(errand, response, sent, via_);
    }
  }

 private:
  Expected<Response> perform(const Errand& errand, bool& sent) {
    if (!connection_) {
      via_ = {};
      auto opened = Connection::open(peer_);
      if (!opened) return std::unexpected(opened.error());
      connection_ = std::move(*opened);
      via_ = Via::now(connection_->own_port());
      account_.connected();
    }
    std::vector<std::string> fields;
    if (!errand.id.empty()) fields.push_back(std::string(kTransactionField) + ": " + errand.id);
    if (!keeps_) fields.push_back("Connection: close");
    sent = true;
    const auto text = request_text(peer_, errand.method(), errand.target, fields, errand.body);
    if (auto written = connection_->send(text); !written) return std::unexpected(written.error());
    return connection_->receive(errand.method());
  }

  Run& run_;
  Account& account_;
  const Peer& peer_;
  bool keeps_;
  std::optional<Connection> connection_;
  Via via_;  // the last one
};

double at(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return sorted[index] / 1000.0;
}

}  // namespace

Expected<std::string> version_of(std::string_view page, std::string_view id) {
  const auto bad = [&](const char* why) {
    return std::unexpected(Failure{Cause::body, std::string(why) + ": " + std::string(page.substr(0, 200))});
  };
  const auto tail = page.rfind("sum=");
  if (tail == std::string_view::npos || tail == 0 || page.size() != tail + 13) return bad("no checksum");
  std::uint32_t sum = 2166136261u;
  for (const char c : page.substr(0, tail)) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619u;
  char wanted[9];
  std::snprintf(wanted, sizeof wanted, "%08x", sum);
  if (page.substr(tail + 4, 8) != wanted) return bad("wrong checksum");
  const auto first = page.substr(0, page.find('\n'));
  for (auto rest = page.substr(0, tail); !rest.empty(); rest.remove_prefix(first.size() + 1)) {
    if (rest.substr(0, first.size() + 1) != page.substr(0, first.size() + 1)) return bad("lines differ");
  }
  if (!id.empty() && !first.starts_with("tx=" + std::string(id) + " ")) return bad("another transaction");
  const auto begin = first.find("version=");
  if (begin == std::string_view::npos) return bad("no version");
  const auto value = first.substr(begin + 8);
  return std::string(value.substr(0, value.find(' ')));
}

LoadReport run_load(const LoadOptions& options, const std::atomic<bool>& stop, Transactions& transactions,
                    const std::function<void(const LoadProgress&)>& tell) {
  Run run{options, stop};
  if (options.duration.count() > 0) run.end = run.begun + options.duration;
  const unsigned http1 = options.keep_alive + options.per_request;
  const unsigned at_once = std::max(1u, http1 + options.http2 * options.streams);
  const std::chrono::nanoseconds interval(std::uint64_t{1'000'000'000} * at_once / std::max(1u, options.rate));
  std::vector<const Peer*> all, secure;
  for (const auto& peer : options.peers) {
    all.push_back(&peer);
    if (peer.tls) secure.push_back(&peer);
  }
  if (options.http2 > 0 && secure.empty()) throw std::invalid_argument("HTTP/2 is spoken over https only");
  const unsigned count = http1 + options.http2, all_clients = count + options.websockets;
  std::deque<Account> accounts;
  for (unsigned i = 0; i < all_clients; ++i) accounts.emplace_back(run, i);
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < all_clients; ++i) {
    threads.emplace_back([&, i] {
      const auto first = LoadClock::now() + interval * i / count;
      if (i < http1) Http1Load(run, accounts[i], *all[i % all.size()], i < options.keep_alive).work(interval, first);
      else if (i < count) run_http2(run, accounts[i], *secure[i % secure.size()], interval, first);
      else run_websocket(run, accounts[i], *all[i % all.size()]);
    });
  }
  while (!run.over()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    tell({run.requests, run.failed});
  }
  threads.clear();

  LoadReport report;
  report.requests = run.requests;
  report.failed = run.failed;
  report.seconds = std::chrono::duration<double>(LoadClock::now() - run.begun).count();
  report.longest_gap_ms = static_cast<double>(run.longest_gap.load()) / 1e6;
  std::vector<std::uint32_t> latencies;
  for (const auto& account : accounts) account.add_to(report, transactions, latencies);
  std::ranges::sort(latencies);
  report.p50_ms = at(latencies, 0.5);
  report.p99_ms = at(latencies, 0.99);
  report.max_ms = at(latencies, 1);
  tell({report.requests, report.failed});
  return report;
}

}  // namespace fleet::test
