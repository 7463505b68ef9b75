#include "upstream/hold.hpp"

#include <algorithm>

#include "upstream/hold_pace.hpp"

namespace fleet::proxy {
namespace {

constexpr std::chrono::seconds kAfterHold{10};  // for those that were held on purpose to be let go, one after the other

}  // namespace

// ---- one that waits

Hold::Place::Place(Hold& hold, Wakeup& wakeup, Clock::time_point arrived)
    : hold_(hold), wakeup_(wakeup), arrived_(arrived) {
  auto before = hold_.waiting_.end();
  while (before != hold_.waiting_.begin() && std::prev(before)->arrived_ > arrived_) --before;
  hold_.waiting_.insert(before, *this);
  ++hold_.size_;
  ++hold_.all_.size_;
}

Hold::Place::~Place() {
  --hold_.size_;
  --hold_.all_.size_;
}

// ---- one app

void Hold::configure(const Route& route, std::vector<TargetPtr> targets, Clock::time_point now) {
  rerouted_ = size_ > 0 && (rerouted_ || route.hosts != hosts_ || route.path != path_);
  hosts_ = route.hosts;
  path_ = route.path;
  config_ = route.hold;
  awaited_ = route.awaited;
  targets_ = std::move(targets);
  const Clock::time_point until{route.held_until};
  held_until_ = until > now ? until : std::min(held_until_, now);  // of a hold that is over: when it was
  refused_until_ = {};
}

void Hold::leave_table() {
  targets_.clear();
  awaited_ = false;
}

bool Hold::admits() const {
  return !is_hopeless() && size_ < config_.max_requests && all_.size_ < Holds::kMost;
}

Clock::time_point Hold::patience(Clock::time_point arrived) const {
  const auto until = arrived + config_.timeout;
  return arrived < held_until_ ? std::max(until, held_until_ + kAfterHold) : until;
}

bool Hold::answers(std::string_view target, Clock::time_point now) const {
  if (config_.answer.empty() || is_open(now)) return false;
  return std::ranges::find(config_.answer, target.substr(0, target.find('?'))) != config_.answer.end();
}

bool Hold::is_open(Clock::time_point now) const {
  if (now < held_until_ || now < refused_until_) return false;
  return std::ranges::any_of(targets_, [](const auto& target) { return target->takes_requests(); });
}

void Hold::release(Clock::time_point now) {
  if (rerouted_ || is_hopeless()) wake_all();
  rerouted_ = false;
  if (waiting_.empty() || !is_open(now)) {
    return open_since_.reset();
  }
  if (!open_since_) open_since_ = now;
  std::uint32_t ready = 0;
  std::uint64_t in_flight = 0;
  for (const auto& target : targets_) {
    if (target->takes_requests()) ++ready, in_flight += target->in_flight();
  }
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - *open_since_);
  for (auto left = may_go(since, ready, in_flight); left > 0 && !waiting_.empty(); --left) wake_first();
}

// Whoever has to wait on takes a place anew.
void Hold::wake_all() {
  List woken;
  woken.swap(waiting_);
  while (!woken.empty()) {
    auto& place = woken.front();
    place.unlink();
    place.standing_ = Standing::look_again;
    place.wakeup_.wake();
  }
}

void Hold::wake_first() {
  auto& place = waiting_.front();
  place.unlink();
  place.standing_ = Standing::let_go;
  place.wakeup_.wake();
}

// ---- all apps

std::shared_ptr<Hold> Holds::of(const std::string& app) {
  auto& hold = all_[app];
  if (!hold) hold = std::make_shared<Hold>(*this);
  return hold;
}

void Holds::retain(const std::vector<std::string>& apps) {
  for (auto it = all_.begin(); it != all_.end();) {
    const auto hold = it->second;
    const bool stays = std::ranges::find(apps, it->first) != apps.end();
    if (!stays) hold->leave_table();
    it = stays || hold->size() > 0 ? std::next(it) : all_.erase(it);
  }
}

void Holds::release(Clock::time_point now) {
  if (size_ == 0) return;
  for (const auto& [app, hold] : all_) hold->release(now);
}

}  // namespace fleet::proxy
