#include "support/load.hpp"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

namespace fleet::test {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// What all clients of a run share.
struct Run {
  const LoadOptions& options;
  const std::atomic<bool>& stop;
  Clock::time_point begun = Clock::now(), end = Clock::time_point::max();
  std::atomic<std::uint64_t> requests = 0, failed = 0;
  std::atomic<std::int64_t> last_answer = 0, longest_gap = 0;  // ns since begun

  bool over() const { return stop || Clock::now() >= end; }

  void answered() {
    if (over()) return;  // nothing follows any more
    const auto now = std::chrono::nanoseconds(Clock::now() - begun).count();
    const auto before = last_answer.exchange(now);
    const auto gap = before == 0 ? 0 : now - before;
    auto longest = longest_gap.load();
    while (gap > longest && !longest_gap.compare_exchange_weak(longest, gap)) continue;
  }
};

enum class Kind : std::uint8_t { page, slow, post };
FLEET_NAMES(Kind, "GET /", "GET /slow", "POST /tx")

struct Exchange {
  Kind kind = Kind::page;
  std::string id, text;  // of the transaction, of the request
};

// One client on a thread of its own, with figures of its own.
class Client {
 public:
  Client(Run& run, const Peer& peer, unsigned number, bool keeps)
      : run_(run), peer_(peer), number_(number), keeps_(keeps), random_(number) {}

  void work(std::chrono::nanoseconds interval, std::chrono::nanoseconds offset) {
    for (auto next = Clock::now() + offset; !run_.over(); next += interval) {
      const auto now = Clock::now();
      if (next < now - std::chrono::seconds(1)) next = now;  // does not make up for more than a second
      while (!run_.over() && Clock::now() < next) {
        std::this_thread::sleep_for(std::min<Clock::duration>(next - Clock::now(), std::chrono::milliseconds(50)));
      }
      if (!run_.over()) request();
    }
  }

  void add_to(LoadReport& report, Transactions& transactions, std::vector<std::uint32_t>& latencies) const {
    report.posts += posts_;
    report.connections += connections_;
    report.acknowledged += transactions_.acknowledged.size();
    latencies.insert(latencies.end(), latencies_.begin(), latencies_.end());
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(transactions.acknowledged, transactions_.acknowledged);
    append(transactions.uncertain, transactions_.uncertain);
    for (const auto& [version, seen] : versions_) {
      auto& all = report.versions[version];
      all.first_answer = all.answers == 0 ? seen.first_answer : std::min(all.first_answer, seen.first_answer);
      all.last_start = std::max(all.last_start, seen.last_start);
      all.answers += seen.answers;
    }
    for (const auto& mine : failures_) merge(report.failures, mine);
  }

 private:
  static void merge(std::vector<LoadFailure>& all, const LoadFailure& mine) {
    for (auto& known : all) {
      if (known.cause != mine.cause || known.what != mine.what) continue;
      if (mine.first_at < known.first_at) known.example = mine.example;
      known.first_at = std::min(known.first_at, mine.first_at);
      known.count += mine.count;
      return;
    }
    all.push_back(mine);
  }

  Exchange choose() {
    Exchange exchange;
    const auto dice = random_() % 100;
    if (dice < run_.options.post_percent) {
      exchange.kind = Kind::post;
      exchange.id = run_.options.run + "-" + std::to_string(number_) + "-" + std::to_string(++posts_);
    } else if (dice < run_.options.post_percent + run_.options.slow_percent) {
      exchange.kind = Kind::slow;
    }
    std::vector<std::string> headers;
    std::string body, target = "/";
    if (exchange.kind == Kind::slow) target = "/slow?ms=" + std::to_string(run_.options.slow.count());
    if (exchange.kind == Kind::post) {
      target = "/tx";
      headers.push_back("X-Transaction-Id: " + exchange.id);
      body = "id=" + exchange.id + "&pad=" + std::string(random_() % 2000, 'x');
    }
    if (!keeps_) headers.push_back("Connection: close");
    exchange.text = request_text(peer_, exchange.kind == Kind::post ? "POST" : "GET", target, headers, body);
    return exchange;
  }

  void request() {
    const auto exchange = choose();
    const auto begun = Clock::now();
    const auto begun_ms = now_ms();
    ++run_.requests;
    bool sent = false;
    const auto version = perform(exchange, sent);
    if (!version) {
      ++run_.failed;
      connection_.reset();
      if (sent && exchange.kind == Kind::post) transactions_.uncertain.push_back(exchange.id);
      const LoadFailure failure{std::string(name(version.error().cause)), std::string(name(exchange.kind)),
                                version.error().text + (exchange.id.empty() ? "" : " (" + exchange.id + ")"), 1,
                                begun_ms};
      return merge(failures_, failure);
    }
    run_.answered();
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
    if (exchange.kind != Kind::slow) latencies_.push_back(static_cast<std::uint32_t>(took.count()));
    if (exchange.kind == Kind::post) transactions_.acknowledged.push_back(exchange.id);
    auto& seen = versions_[*version];
    if (seen.answers++ == 0) seen.first_answer = now_ms();
    seen.last_start = begun_ms;
  }

  Expected<std::string> perform(const Exchange& exchange, bool& sent) {
    if (!connection_) {
      auto opened = Connection::open(peer_);
      if (!opened) return std::unexpected(opened.error());
      connection_ = std::move(*opened);
      ++connections_;
    }
    sent = true;
    if (auto written = connection_->send(exchange.text); !written) return std::unexpected(written.error());
    auto response = connection_->receive(exchange.kind == Kind::post ? "POST" : "GET");
    if (!response) return std::unexpected(response.error());
    if (!keeps_ || !response->keeps) connection_.reset();
    if (response->status != 200) {
      std::string text = std::to_string(response->status);
      for (const auto& [field, value] : response->headers) text += "; " + field + ": " + value;
      return std::unexpected(Failure{Cause::status, text + "; " + response->body.substr(0, 200)});
    }
    return version_of(response->body, exchange.id);
  }

  Run& run_;
  const Peer& peer_;
  unsigned number_;
  bool keeps_;
  std::minstd_rand random_;
  std::optional<Connection> connection_;
  std::uint64_t posts_ = 0, connections_ = 0;
  std::vector<std::uint32_t> latencies_;  // µs
  Transactions transactions_;
  std::map<std::string, VersionSeen> versions_;
  std::vector<LoadFailure> failures_;
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
  const unsigned count = std::max(1u, options.keep_alive + options.per_request);
  const std::chrono::nanoseconds interval(std::uint64_t{1'000'000'000} * count / std::max(1u, options.rate));
  std::vector<Client> clients;
  clients.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    clients.emplace_back(run, options.peers[i % options.peers.size()], i, i < options.keep_alive);
  }
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back([&, i] { clients[i].work(interval, interval * i / count); });
  }
  while (!run.over()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    tell({run.requests, run.failed});
  }
  threads.clear();

  LoadReport report;
  report.requests = run.requests;
  report.failed = run.failed;
  report.seconds = std::chrono::duration<double>(Clock::now() - run.begun).count();
  report.longest_gap_ms = static_cast<double>(run.longest_gap.load()) / 1e6;
  std::vector<std::uint32_t> latencies;
  for (const auto& client : clients) client.add_to(report, transactions, latencies);
  std::ranges::sort(latencies);
  report.p50_ms = at(latencies, 0.5);
  report.p99_ms = at(latencies, 0.99);
  report.max_ms = at(latencies, 1);
  tell({report.requests, report.failed});
  return report;
}

}  // namespace fleet::test
