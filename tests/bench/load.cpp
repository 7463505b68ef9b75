// bench-load MODE http[s]://127.0.0.1:PORT/PATH [--connections N] [--seconds S] [--rate R] [--hosts N]: a client for
// what wrk and h2load cannot do. Modes:
//   closed  every connection sends its next request when it has the answer to the last
//   open    R requests a second, at random times that do not depend on the answers; one that finds all connections busy
//           waits, and its wait counts
//   new     a new connection, without resumption, for every request
//   idle    one request on every connection, then none
// With its connections open it writes "ready" and waits for a line (idle: the end) of standard input, then writes one
// line of JSON: requests answered by 2xx, seconds, errors, p50 and p99 in microseconds; idle: connections still open.
// --hosts N: requests are for h00000.test to N-1, at random.
#include <arpa/inet.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"

namespace {

using bench::Connection;
using Clock = std::chrono::steady_clock;
using Outcome = Connection::Outcome;

constexpr std::size_t kOpenAtOnce = 64;  // handshakes under way, before it begins
constexpr std::uint64_t kTooManyErrors = 100'000;

volatile std::sig_atomic_t g_stopped = 0;  // by SIGTERM: the load ends now, and is reported

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "bench-load: %s\n", why.c_str());
  std::exit(2);
}

struct Options {
  std::string mode, path = "/";
  bool tls = false;
  std::uint16_t port = 0;
  std::size_t connections = 64, hosts = 0;
  double seconds = 1, rate = 1000;
};

Options read_options(int argc, char** argv) {
  if (argc < 3)
    die("usage: bench-load closed|open|new|idle URL [--connections N] [--seconds S] [--rate R] [--hosts N]");
  Options options;
  options.mode = argv[1];
  std::string url = argv[2];
  options.tls = url.starts_with("https://");
  const auto at = url.find("127.0.0.1:");
  if (at == url.npos) die("not a URL of 127.0.0.1: " + url);
  char* end = nullptr;
  options.port = static_cast<std::uint16_t>(std::strtoul(url.c_str() + at + 10, &end, 10));
  if (*end != '\0') options.path = end;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const double value = std::strtod(argv[i + 1], nullptr);
    if (name == "--connections")
      options.connections = static_cast<std::size_t>(value);
    else if (name == "--seconds")
      options.seconds = value;
    else if (name == "--rate")
      options.rate = value;
    else if (name == "--hosts")
      options.hosts = static_cast<std::size_t>(value);
    else
      die("no such option: " + std::string(name));
  }
  return options;
}

SSL_CTX* client_tls() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(context, "X25519");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  return context;
}

std::vector<std::string> requests_of(const Options& options, const std::string& name) {
  std::vector<std::string> all;
  const auto add = [&](const std::string& host) {
    all.push_back("GET " + options.path + " HTTP/1.1\r\nHost: " + host +
                  "\r\nUser-Agent: bench-load\r\nAccept: */*\r\n" +
                  (options.mode == "new" ? "Connection: close\r\n\r\n" : "\r\n"));
  };
  for (std::size_t i = 0; i < options.hosts; ++i) {
    std::array<char, 32> host;
    std::snprintf(host.data(), host.size(), "h%05zu.test", i);
    add(host.data());
  }
  if (all.empty()) add(name);
  return all;
}

class Load {
 public:
  explicit Load(const Options& options) : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    server_.address.sin_family = AF_INET;
    server_.address.sin_port = htons(options.port);
    server_.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server_.name = "localhost";
    if (options.tls) server_.tls = client_tls();
    requests_ = requests_of(options, server_.name);
    for (std::size_t i = 0; i < options.connections; ++i) {
      connections_.push_back(std::make_unique<Connection>(server_, epoll_));
    }
  }

  void run() {
    if (options_.mode != "new") open_all();
    std::puts("ready");
    std::fflush(stdout);
    if (options_.mode == "idle") return hold();
    if (std::getchar() == EOF) return;
    began_ = Clock::now();
    end_ = began_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
    options_.mode == "open" ? run_open() : run_closed();
    report();
  }

 private:
  // Each has answered one request when it counts as open: idle as a browser's would be.
  void open_all() {
    std::size_t next = 0, done = 0;
    const auto open_next = [&] {
      if (next < connections_.size()) connections_[next++]->open();
    };
    for (std::size_t i = 0; i < kOpenAtOnce; ++i) open_next();
    while (done < connections_.size()) {
      if (!wait(Clock::now() + std::chrono::seconds(10))) die("connections do not open");
      for (auto* connection : ready_) {
        auto outcome = connection->progress();
        if (outcome == Outcome::opened) outcome = connection->send(requests_[done % requests_.size()]);
        if (outcome == Outcome::failed || (outcome == Outcome::answered && !connection->usable()))
          die("cannot connect");
        if (outcome == Outcome::answered) ++done, open_next();
      }
    }
  }

  void hold() {
    while (std::getchar() != EOF) {
    }
    const auto open = std::ranges::count_if(connections_, [](const auto& c) { return c->quiet(); });
    std::printf("{\"open\":%zu}\n", static_cast<std::size_t>(open));
  }

  void run_closed() {
    const bool fresh = options_.mode == "new";
    const auto next = [&](Connection* connection) {
      if (fresh || !connection->usable())
        begin_fresh(connection);
      else
        begin(connection, Clock::now());
    };
    for (auto& connection : connections_) next(connection.get());
    while (Clock::now() < end_ && !g_stopped) {
      wait(end_);
      for (auto* connection : ready_) {
        auto outcome = connection->progress();
        if (outcome == Outcome::opened) outcome = send(connection);
        if (outcome == Outcome::answered || outcome == Outcome::failed) {
          finish(connection, outcome);
          next(connection);
        }
      }
    }
  }

  void run_open() {
    std::mt19937_64 random(1);  // the same times for every proxy
    std::exponential_distribution<double> gap(options_.rate);
    const auto next_after = [&](Clock::time_point from) {
      return from + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(gap(random)));
    };
    for (auto& connection : connections_) free_.push_back(connection.get());
    auto due = next_after(began_);
    while (true) {
      const auto now = Clock::now();
      if (now >= end_ || g_stopped) break;
      for (; due <= now; due = next_after(due)) waiting_.push_back(due);
      start_waiting();
      wait(std::min(due, end_));
      for (auto* connection : ready_) advance(connection);
    }
    errors_ += waiting_.size() > connections_.size() ? waiting_.size() : 0;  // it never caught up
  }

  void advance(Connection* connection) {
    auto outcome = connection->progress();
    if (outcome == Outcome::opened) return free_.push_front(connection);
    if (outcome == Outcome::nothing) return;
    finish(connection, outcome);
    free_again(connection);
  }

  void free_again(Connection* connection) {
    if (connection->usable())
      free_.push_back(connection);
    else
      connection->open();
    if (connection->state() == Connection::State::closed) reopen_.push_back(connection);
  }

  // The longest idle first, so that all of them are used.
  void start_waiting() {
    for (; !reopen_.empty(); reopen_.pop_back()) reopen_.back()->open();
    while (!waiting_.empty() && !free_.empty()) {
      auto* connection = free_.front();
      free_.pop_front();
      if (begin(connection, waiting_.front())) free_again(connection);
      waiting_.pop_front();
    }
  }

  void begin_fresh(Connection* connection) {
    connection->since = Clock::now();
    connection->open();
    while (connection->state() == Connection::State::closed) {
      count_error();
      connection->open();
    }
  }

  // True when the request has failed already.
  bool begin(Connection* connection, Clock::time_point since) {
    connection->since = since;
    const auto outcome = send(connection);
    if (outcome == Outcome::nothing) return false;
    finish(connection, outcome);
    if (options_.mode != "open") begin_fresh(connection);
    return true;
  }

  Outcome send(Connection* connection) { return connection->send(requests_[random_() % requests_.size()]); }

  void finish(Connection* connection, Outcome outcome) {
    if (outcome == Outcome::failed) return count_error();
    latencies_.push_back(std::chrono::duration<float, std::micro>(Clock::now() - connection->since).count());
  }

  void count_error() {
    ERR_clear_error();
    if (++errors_ > kTooManyErrors) die("too many errors");
  }

  // Fills ready_; false when it was the time.
  bool wait(Clock::time_point until) {
    std::array<epoll_event, 256> events;
    const auto left = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(until - Clock::now()));
    const timespec limit{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    const int count = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
    ready_.clear();
    for (int i = 0; i < count; ++i) {
      ready_.push_back(static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
    }
    return count > 0;
  }

  void report() {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    const auto at = [&](double share) {
      if (latencies_.empty()) return 0.0;
      const auto nth =
          latencies_.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_.size() - 1));
      std::ranges::nth_element(latencies_, nth);
      return static_cast<double>(*nth);
    };
    const double p50 = at(0.5), p99 = at(0.99);
    std::printf("{\"requests\":%zu,\"seconds\":%.6f,\"errors\":%llu,\"p50\":%.1f,\"p99\":%.1f}\n", latencies_.size(),
                seconds, static_cast<unsigned long long>(errors_), p50, p99);
  }

  const Options options_;
  int epoll_;
  bench::Server server_;
  std::vector<std::string> requests_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> ready_, reopen_;
  std::deque<Connection*> free_;           // open mode: idle ones
  std::deque<Clock::time_point> waiting_;  // open mode: requests that are due
  std::minstd_rand random_{1};
  Clock::time_point began_, end_;
  std::vector<float> latencies_;  // microseconds
  std::uint64_t errors_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { g_stopped = 1; });
  Load(read_options(argc, argv)).run();
}
