// What the clients of a load have in common: when it ends, what to ask for, and the account of what came of it.
#pragma once

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "support/load.hpp"

namespace fleet::test {

using LoadClock = std::chrono::steady_clock;

// One for all clients of a load.
struct Run {
  const LoadOptions& options;
  const std::atomic<bool>& stop;
  LoadClock::time_point begun = LoadClock::now(), end = LoadClock::time_point::max();
  std::atomic<std::uint64_t> requests = 0, failed = 0;
  std::atomic<std::int64_t> last_answer = 0, longest_gap = 0;  // ns since begun

  bool over() const { return stop || LoadClock::now() >= end; }
  // Sleeps until then, or until it is over.
  void wait_until(LoadClock::time_point) const;
  void answered();
};

enum class Kind : std::uint8_t { page, slow, stream, post, tunnel };
FLEET_NAMES(Kind, "GET /", "GET /slow", "GET /stream", "POST /tx", "WebSocket")

// A request to be made.
struct Errand {
  Kind kind = Kind::page;
  std::string target = "/", id = {}, body = {};  // id: of the transaction
  std::string mark = {};
  LoadClock::time_point begun = LoadClock::now();
  std::int64_t begun_ms = 0;  // since the epoch
  bool quick() const { return kind == Kind::page || kind == Kind::post; }
  const char* method() const { return kind == Kind::post ? "POST" : "GET"; }
};

// The connection that a request went over; nothing: there was none.
struct Via {
  std::uint16_t port = 0;
  std::int64_t connected_at = 0;  // ms since the epoch
  static Via now(std::uint16_t own_port);
};

inline constexpr auto kTransactionField = "x-transaction-id";

// Of one client, on one thread.
class Account {
 public:
  Account(Run& run, unsigned number) : run_(run), number_(number), random_(number) {}

  Errand next();
  Errand next_tunnel();
  void connected() { ++connections_; }
  void echoed() { ++echoes_; }
  void sent_again() { ++sent_again_; }
  // The end of an errand. `sent`: the server may have seen it.
  void done(const Errand& errand, const Expected<Response>& response, bool sent, const Via& via);
  void add_to(LoadReport& report, Transactions& transactions, std::vector<std::uint32_t>& latencies) const;

 private:
  void mark(Errand& errand);
  void failed(const Errand& errand, const Failure& failure, bool sent, const Via& via);

  Run& run_;
  unsigned number_;
  std::minstd_rand random_;
  std::uint64_t posts_ = 0, connections_ = 0, sent_again_ = 0, tunnels_ = 0, echoes_ = 0, errands_ = 0;
  std::vector<std::uint32_t> latencies_;  // µs
  Transactions transactions_;
  std::map<std::string, VersionSeen> versions_;
  std::vector<LoadFailure> failures_;
  std::vector<Incident> incidents_;
};

// One connection, several requests at a time on it, until the run is over and all have ended.
void run_http2(Run& run, Account& account, const Peer& peer, std::chrono::nanoseconds interval,
               LoadClock::time_point first);

// One WebSocket after the other until the run is over. Each lives until the server closes it properly, between two
// frames; anything else is a failure.
void run_websocket(Run& run, Account& account, const Peer& peer);

}  // namespace fleet::test
