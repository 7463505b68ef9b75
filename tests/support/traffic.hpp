// fleet-load at work behind a test, and the verdict on what it saw.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/fleet.hpp"
#include "support/load.hpp"

namespace fleet::test {

struct TrafficSetup {
  std::vector<std::string> urls = {};  // empty: the fleet's http and https
  unsigned keep_alive = 12, per_request = 4, http2 = 0, rate = 400;
  unsigned post_percent = 30, slow_percent = 2, stream_percent = 0, slow_ms = 300;
  unsigned websockets = 0;
  bool mark = false;
  std::string connect_to = {};  // in place of the urls' hosts
};

struct Verdict {
  LoadReport load;
  LedgerVerdict ledger;
  std::string text;  // what is wrong, for people; empty: nothing
};

class Traffic {
 public:
  explicit Traffic(const Fleet& fleet, TrafficSetup setup = {});

  LoadProgress progress() const;
  // Waits until so many more requests were made than now; throws if they are not in time.
  void flow(std::uint64_t requests = 200, milliseconds limit = milliseconds(15000)) const;
  // Ends it. Everything must be right: no failure, the ledgers exact, and at least `requests` in all.
  Verdict stop(std::uint64_t requests, milliseconds limit = milliseconds(60000));

 private:
  std::string base_, ledgers_;
  Program program_;
};

}  // namespace fleet::test
