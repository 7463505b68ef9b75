// What came of a soak, put together; for people and as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "blame.hpp"
#include "census.hpp"
#include "operations.hpp"
#include "support/traffic.hpp"

namespace fleet::soak {

struct FailureClass {
  std::string what, cause, excuse;  // excuse empty: it should not have failed
  std::uint64_t count = 0;
  std::string example;  // the first: when, which, what its client and the access log say
  FLEET_FIELDS(FailureClass, what, cause, excuse, count, example)
};

struct FaultClass {
  std::string fault;
  std::uint64_t times = 0, not_recovered = 0;
  std::int64_t median_ms = 0, worst_ms = 0;  // until all is well again
  FLEET_FIELDS(FaultClass, fault, times, not_recovered, median_ms, worst_ms)
};

struct OperationClass {
  std::string operation;
  std::uint64_t times = 0, as_expected = 0;
  std::uint64_t excused = 0;  // ended otherwise, and a fault struck meanwhile
  std::vector<std::string> unexplained = {};
  FLEET_FIELDS(OperationClass, operation, times, as_expected, excused, unexplained)
};

struct Account {
  std::uint64_t seed = 0;
  std::string faults_asked;
  double seconds = 0;
  std::uint64_t requests = 0, posts = 0, tunnels = 0, echoes = 0, connections = 0;
  double p99_ms = 0, longest_gap_ms = 0;
  std::uint64_t allowed_failures = 0, real_failures = 0;
  std::vector<FailureClass> failures;
  std::uint64_t acknowledged = 0, lost = 0, doubled = 0, never_sent = 0;
  std::vector<std::string> stale;  // versions that answered what was asked after they were replaced
  std::vector<FaultClass> faults;
  std::vector<OperationClass> operations;
  std::vector<Holding> holdings;
  std::vector<std::string> left;  // what was wrong or there after the end
  bool is_good() const;
  FLEET_FIELDS(Account, seed, faults_asked, seconds, requests, posts, tunnels, echoes, connections, p99_ms, longest_gap_ms,
               allowed_failures, real_failures, failures, acknowledged, lost, doubled, never_sent, stale, faults,
               operations, holdings, left)
};

void add_load(Account& account, const test::Verdict& verdict, const std::map<std::string, LoggedRequest>& logged,
              const std::vector<Fault>& faults);
void add_faults(Account& account, const std::vector<Fault>& faults);
void add_history(Account& account, const History& history, const std::vector<Fault>& faults, const test::LoadReport& load);

std::string to_text(const Account& account);

}  // namespace fleet::soak
