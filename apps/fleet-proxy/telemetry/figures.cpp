#include "telemetry/figures.hpp"

#include <algorithm>

namespace fleet::proxy {
namespace {

constexpr std::size_t kMaxNames = 64;

// IANA's registry.
constexpr auto kRegistered = std::to_array<std::uint16_t>(
    {100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307,
     308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421,
     422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511});
constexpr std::size_t kClasses = kRegistered.size();  // where those of "1xx" to "5xx" begin
constexpr std::size_t kOther = kClasses + 5, kNone = kOther + 1;
static_assert(kNone < kCodeSlots);

constexpr auto make_slots() {
  std::array<std::uint8_t, 600> slots{};
  for (std::size_t code = 0; code < slots.size(); ++code) {
    slots[code] = static_cast<std::uint8_t>(code < 100 ? kOther : kClasses + code / 100 - 1);
  }
  for (std::size_t i = 0; i < kRegistered.size(); ++i) slots[kRegistered[i]] = static_cast<std::uint8_t>(i);
  slots[0] = kNone;
  return slots;
}
constexpr auto kSlots = make_slots();

using Label = std::array<char, 3>;
constexpr auto make_labels() {
  std::array<Label, kRegistered.size()> labels{};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const unsigned code = kRegistered[i];
    labels[i] = {static_cast<char>('0' + code / 100), static_cast<char>('0' + code / 10 % 10),
                 static_cast<char>('0' + code % 10)};
  }
  return labels;
}
constexpr auto kLabels = make_labels();

}  // namespace

std::size_t code_slot(int status) {
  return status >= 0 && static_cast<std::size_t>(status) < kSlots.size() ? kSlots[static_cast<std::size_t>(status)]
                                                                          : kOther;
}

std::string_view code_label(std::size_t slot) {
  static constexpr std::string_view kClassLabels[] = {"1xx", "2xx", "3xx", "4xx", "5xx", "other", "none"};
  if (slot < kLabels.size()) return {kLabels[slot].data(), kLabels[slot].size()};
  return kClassLabels[std::min(slot - kClasses, std::size(kClassLabels) - 1)];
}

void NamedCounts::add(std::string_view name) {
  const auto named = [&](const auto& entry) { return entry.first == name; };
  auto found = std::find_if(counts_.begin(), counts_.end(), named);
  if (found == counts_.end()) {
    if (counts_.size() >= kMaxNames) return;
    found = counts_.insert(counts_.end(), {std::string(name), 0});
  }
  ++found->second;
}

void Figures::add(const RequestFacts& request) {
  changed_ = true;
  ++codes_[code_slot(request.status)];
  if (request.first_byte.count() >= 0) first_byte_.add(request.first_byte);
  total_.add(request.total);
  bytes_in_ += request.bytes_in;
  bytes_out_ += request.bytes_out;
  retries_ += request.retries;
  if (request.was_held) {
    ++held_;
    held_us_ += static_cast<std::uint64_t>(std::max<std::int64_t>(0, request.held.count()));
  }
  if (!request.own_error.empty()) own_errors_.add(request.own_error);
}

void Figures::upstream_failed(std::string_view kind) {
  changed_ = true;
  upstream_failures_.add(kind);
}

wire::ReleaseFigures Figures::told() const {
  wire::ReleaseFigures told;
  told.app = app_;
  told.release = release_;
  for (std::size_t slot = 0; slot < codes_.size(); ++slot) {
    if (codes_[slot] != 0) told.codes.emplace(code_label(slot), codes_[slot]);
  }
  told.own_errors = own_errors_.told();
  told.upstream_failures = upstream_failures_.told();
  told.first_byte = first_byte_.told();
  told.total = total_.told();
  told.bytes_in = bytes_in_;
  told.bytes_out = bytes_out_;
  told.retries = retries_;
  told.held = held_;
  told.held_us = held_us_;
  return told;
}

FiguresPtr FigureBook::of(const std::string& app, std::uint64_t release) {
  auto& figures = all_[{app, release}];
  if (!figures) figures = std::make_shared<Figures>(app, release);
  return figures;
}

wire::Figures FigureBook::changes() {
  wire::Figures message;
  for (auto entry = all_.begin(); entry != all_.end();) {
    auto& figures = entry->second;
    const bool last = figures.use_count() == 1;
    if (figures->changed() || last) {
      message.releases.push_back(figures->told());
      message.releases.back().last = last;
      figures->set_changed(false);
    }
    entry = last ? all_.erase(entry) : std::next(entry);
  }
  return message;
}

void FigureBook::tell_all_again() {
  for (const auto& [key, figures] : all_) figures->set_changed(true);
}

void Handshakes::succeeded(std::string_view version, bool resumed) {
  auto found = std::find_if(counts_.begin(), counts_.end(), [&](const auto& c) { return c.version == version; });
  if (found == counts_.end()) found = counts_.insert(counts_.end(), {std::string(version), 0, 0});
  ++(resumed ? found->resumed : found->full);
}

void Handshakes::tell(wire::Stats& stats) const {
  stats.handshakes = counts_;
  stats.failed_handshakes = failed_;
}

}  // namespace fleet::proxy
