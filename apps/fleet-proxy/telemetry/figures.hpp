// What a worker counts, for each release of an app. A request costs a few increments: whoever counts holds the Figures
// that it counts in, since the table was swapped in.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/latency.hpp"
#include "wire/messages.hpp"

namespace fleet::proxy {

// Registered status codes have a counter each; so have, together, the others of each class, whatever else an application
// makes up ("other"), and requests that got no answer ("none").
constexpr std::size_t kCodeSlots = 70;
std::size_t code_slot(int status);  // 0: no answer
std::string_view code_label(std::size_t slot);

class Latency {
 public:
  void add(std::chrono::microseconds took) {
    const auto us = took.count() > 0 ? static_cast<std::uint64_t>(took.count()) : 0;
    std::size_t bucket = 0;
    while (bucket < kLatencyBounds.size() && us > kLatencyBounds[bucket]) ++bucket;
    ++counts_[bucket];
    sum_us_ += us;
  }
  wire::Latencies told() const { return {{counts_.begin(), counts_.end()}, sum_us_}; }

 private:
  std::array<std::uint64_t, kLatencyBuckets> counts_{};
  std::uint64_t sum_us_ = 0;
};

// Few and rare, by names that the program gives.
class NamedCounts {
 public:
  void add(std::string_view name);
  std::map<std::string, std::uint64_t> told() const { return {counts_.begin(), counts_.end()}; }

 private:
  std::vector<std::pair<std::string, std::uint64_t>> counts_;
};

// One request that is over.
struct RequestFacts {
  int status = 0;             // 0: no answer went out
  std::string_view own_error;  // the reason of an answer of ours; empty: it was the application's
  std::chrono::microseconds first_byte{-1}, total{0}, held{0};  // first_byte below 0: none came
  std::uint64_t bytes_in = 0, bytes_out = 0;
  unsigned retries = 0;
  bool was_held = false;
};

class Figures {
 public:
  Figures(std::string app, std::uint64_t release) : app_(std::move(app)), release_(release) {}

  void add(const RequestFacts& request);
  void upstream_failed(std::string_view kind);

  bool changed() const { return changed_; }
  void set_changed(bool changed) { changed_ = changed; }
  wire::ReleaseFigures told() const;

 private:
  const std::string app_;
  const std::uint64_t release_;
  std::array<std::uint64_t, kCodeSlots> codes_{};
  Latency first_byte_, total_;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0, retries_ = 0, held_ = 0, held_us_ = 0;
  NamedCounts own_errors_, upstream_failures_;
  bool changed_ = false;
};
using FiguresPtr = std::shared_ptr<Figures>;

// All of a worker's, and what fleetd has been told of them.
class FigureBook {
 public:
  FiguresPtr of(const std::string& app, std::uint64_t release);
  // Of those that changed since the last call. Those that nobody but the book holds are told a last time, and forgotten.
  wire::Figures changes();
  void tell_all_again();

 private:
  std::map<std::pair<std::string, std::uint64_t>, FiguresPtr> all_;
};

class Handshakes {
 public:
  void succeeded(std::string_view version, bool resumed);
  void failed() { ++failed_; }
  void tell(wire::Stats& stats) const;

 private:
  std::vector<wire::HandshakeCount> counts_;
  std::uint64_t failed_ = 0;
};

}  // namespace fleet::proxy
