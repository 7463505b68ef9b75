// Live traffic: keep-alive and connection-per-request clients over HTTP and HTTPS, clients of HTTP/2 that ask many things
// at once, and WebSockets, each answer checked. The report says what failed and why, and which versions answered when.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "support/client.hpp"
#include "support/ledger.hpp"

namespace fleet::test {

struct LoadOptions {
  std::vector<Peer> peers;   // clients are dealt out over them in turn
  unsigned keep_alive = 12;  // clients that hold on to their connection
  unsigned per_request = 4;  // clients that make a connection for each request
  unsigned http2 = 0;        // clients of HTTP/2, at peers with TLS
  unsigned streams = 8;      // of each of those, at once
  unsigned websockets = 0;   // clients that have what they say echoed, besides the rate
  unsigned rate = 400;       // requests per second, all together
  milliseconds duration{0};  // 0: until stopped
  unsigned post_percent = 30, slow_percent = 2, stream_percent = 0;
  milliseconds slow{300};  // that and a stream take so long
  std::string run = "run";  // prefix of transaction ids; one per run and ledger
  bool mark = false;        // each target names its request, for who looks for it in an access log
};

struct LoadFailure {
  std::string cause, what, example;  // of the first of this kind
  std::uint64_t count = 0;
  std::int64_t first_at = 0;  // ms since the epoch
  FLEET_FIELDS(LoadFailure, cause, what, example, count, first_at)
};

// One failed request, and what its client knows of it. Times are ms since the epoch.
struct Incident {
  std::string what, cause, text;
  std::string mark;             // of the request, where there are marks
  std::uint16_t port = 0;       // the client's, of the connection; 0: there was none
  std::int64_t connected_at = 0, begun_at = 0, failed_at = 0;
  FLEET_FIELDS(Incident, what, cause, text, mark, port, connected_at, begun_at, failed_at)
};

struct VersionSeen {
  std::uint64_t answers = 0;
  std::int64_t first_answer = 0;  // ms since the epoch
  std::int64_t last_start = 0;    // of the last request that this version answered
  FLEET_FIELDS(VersionSeen, answers, first_answer, last_start)
};

struct LoadReport {
  std::uint64_t requests = 0, failed = 0, posts = 0, acknowledged = 0, connections = 0;
  std::uint64_t sent_again = 0;  // because a GOAWAY named them
  std::uint64_t tunnels = 0, echoes = 0;  // WebSockets, and frames that came back on them
  double seconds = 0;
  double p50_ms = 0, p99_ms = 0, max_ms = 0;  // of the quick requests
  double longest_gap_ms = 0;                  // between two answers
  std::map<std::string, VersionSeen> versions;
  std::vector<LoadFailure> failures;  // by cause and kind of request
  std::vector<Incident> incidents;    // each of them, up to a thousand of each client
  FLEET_FIELDS(LoadReport, requests, failed, posts, acknowledged, connections, sent_again, tunnels, echoes, seconds, p50_ms,
               p99_ms, max_ms, longest_gap_ms, versions, failures, incidents)
};

struct LoadProgress {
  std::uint64_t requests = 0, failed = 0;
};

// Blocks until `stop` or the duration's end; requests under way are finished. `tell` is called ten times a second.
LoadReport run_load(const LoadOptions&, const std::atomic<bool>& stop, Transactions& transactions,
                    const std::function<void(const LoadProgress&)>& tell);

// The version that a page of an example application claims, or why it is not a whole page of one version. `id` not
// empty: a transaction's answer, which must name it.
Expected<std::string> version_of(std::string_view page, std::string_view id = {});

}  // namespace fleet::test
