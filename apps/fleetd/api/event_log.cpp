#include "api/event_log.hpp"

#include <algorithm>

namespace fleet::api {

bool EventFilter::wants(const EventView& event) const {
  // Progress has no number of its own: to one who read up to `since` it may still be news.
  const bool newer = event.type == EventType::deployment_progress ? event.seq >= since : event.seq > since;
  return newer && (!deployment || event.deployment == deployment) && (!app || event.app == app);
}

EventLog::EventLog(net::asio::io_context& io, std::size_t capacity) : io_(io), capacity_(capacity) {}

void EventLog::restore(std::vector<EventView> saved) {
  if (!saved.empty()) evicted_seq_ = saved.front().seq - 1;
  for (auto& event : saved) {
    last_seq_ = std::max(last_seq_, event.seq);
    keep(std::move(event));
  }
}

const EventView& EventLog::publish(EventView event) {
  if (event.type == EventType::deployment_progress) {
    event.seq = last_seq_;
    const auto [former, first] = progress_.try_emplace(event.deployment.value_or(0), next_place_);
    if (!first) ring_.erase(std::exchange(former->second, next_place_));
  } else {
    event.seq = ++last_seq_;
  }
  ++counts_[{event.app.value_or(""), event.type, event.data.outcome}];
  if (event.type == EventType::deployment_finished) progress_.erase(event.deployment.value_or(0));
  const EventView& kept = keep(std::move(event));
  for (auto* reader : readers_) reader->wake_.cancel();
  return kept;
}

const EventView& EventLog::keep(EventView event) {
  const auto kept = ring_.emplace(next_place_++, std::move(event)).first;
  if (ring_.size() > capacity_) {
    lost_before_ = ring_.begin()->first + 1;
    evicted_seq_ = ring_.begin()->second.seq;
    ring_.erase(ring_.begin());
  }
  return kept->second;
}

std::vector<EventView> EventLog::kept(const EventFilter& filter, std::size_t limit) const {
  std::vector<EventView> found;
  for (auto at = ring_.rbegin(); at != ring_.rend() && found.size() < limit; ++at) {
    if (filter.wants(at->second)) found.push_back(at->second);
  }
  std::ranges::reverse(found);
  return found;
}

EventLog::~EventLog() {
  for (auto* reader : readers_) reader->log_ = nullptr;
}

EventReader::EventReader(EventLog& log, EventFilter filter)
    : log_(&log), filter_(std::move(filter)), place_(log.lost_before_), seen_seq_(filter_.since), wake_(log.io_) {
  const bool from_the_future = filter_.since > log_->last_seq_;  // the log began anew meanwhile
  if (from_the_future) filter_.since = seen_seq_ = 0;
  missed_ = from_the_future || (filter_.since > 0 && filter_.since < log_->evicted_seq_);
  log_->readers_.insert(this);
}

EventReader::~EventReader() {
  if (log_) log_->readers_.erase(this);
}

std::optional<EventView> EventReader::poll() {
  if (missed_ || place_ < log_->lost_before_) {
    missed_ = false;
    place_ = log_->lost_before_;
    EventView gap;
    gap.seq = seen_seq_;
    gap.type = EventType::gap;
    gap.deployment = filter_.deployment;
    gap.message = "events before this one are no longer kept";
    return gap;
  }
  for (auto at = log_->ring_.lower_bound(place_); at != log_->ring_.end(); ++at) {
    place_ = at->first + 1;
    if (!filter_.wants(at->second)) continue;
    seen_seq_ = at->second.seq;
    return at->second;
  }
  place_ = log_->next_place_;
  return std::nullopt;
}

net::Task<> EventReader::wait(milliseconds at_most) {
  if (stopped_ || place_ < log_->next_place_) co_return;
  wake_.expires_after(at_most);
  co_await wake_.async_wait(net::use_result);
}

void EventReader::stop() {
  stopped_ = true;
  wake_.cancel();
}

}  // namespace fleet::api
