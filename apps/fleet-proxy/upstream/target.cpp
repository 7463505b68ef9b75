#include "upstream/target.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace fleet::proxy {
namespace {

socklen_t fill_address(const Endpoint& endpoint, sockaddr_storage& out) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(endpoint.port);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&out, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
  }
  return 0;
}

socklen_t fill_address(const std::string& socket, sockaddr_storage& out) {
  sockaddr_un address{};
  if (socket.size() >= sizeof address.sun_path) return 0;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  std::memcpy(&out, &address, sizeof address);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size() + 1);
}

// A connection idle for less is taken without asking the kernel: the loop has looked at it not long before, and what may
// be repeated is (R2). Applications that close idle connections wait for longer.
constexpr std::chrono::milliseconds kMoment{5};

constexpr std::chrono::seconds kGoodSpell{60};  // after which a failure is not one more in a row

// R4: an end, or bytes (R12), that the loop has not been told of yet show here.
bool is_silent(const Socket& socket) {
  char byte = 0;
  return ::recv(socket.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

}  // namespace

void Upstream::on_ready() {
  if (stream.socket().readable) target_.discard(*this);
}

Target::Claim::Claim(std::shared_ptr<Target> target, ClaimHolder& holder)
    : target_(std::move(target)), holder_(holder), turn_(target_->next_turn_++) {
  target_->claims_.push_back(*this);
  target_->busiest_ = std::max(target_->busiest_, target_->claims_.size());
}

Target::Claim::~Claim() {
  target_->claims_.erase(target_->claims_.iterator_to(*this));
  target_->report_if_quiet();
}

Target::Target(const std::string& app_name, std::uint64_t release_number, const fleet::Target& from, Observer& observer)
    : id(from.id),
      app(app_name),
      release(release_number),
      endpoint(from.endpoint),
      socket_path(from.socket),
      address_text(socket_path.empty() ? to_string(endpoint) : "unix:" + socket_path),
      port_text(socket_path.empty() ? std::to_string(endpoint.port) : ""),
      place(hash_of(std::to_string(from.index))),
      observer_(observer) {
  address_size_ = socket_path.empty() ? fill_address(endpoint, address_) : fill_address(socket_path, address_);
}

void Target::set_state(TargetState state, Clock::time_point now) {
  state_ = state;
  if (state_ != TargetState::ready) idle_.clear();  // D6
  if (state_ != TargetState::draining) {
    draining_since_.reset();
  } else if (!draining_since_) {
    draining_since_ = now;
    for (auto& claim : claims_) claim.holder().target_draining();
  }
}

void Target::go() {
  gone_ = true;
  idle_.clear();
  // target_gone() only sets flags and schedules; claims end later.
  for (auto& claim : claims_) claim.holder().target_gone();
}

void Target::report_if_quiet() {
  if (quiet() && (gone_ || state_ == TargetState::draining)) observer_.target_quiet(*this);
}

wire::TargetStats Target::stats() const {
  wire::TargetStats stats;
  stats.app = app;
  stats.release = release;
  stats.target = id;
  stats.in_flight = in_flight();
  stats.requests = requests;
  stats.failed = failed;
  stats.client_aborted = client_aborted;
  stats.retried = retried;
  stats.held = held;
  return stats;
}

std::unique_ptr<Upstream> Target::take_idle(Clock::time_point now, std::chrono::milliseconds oldest, bool certain) {
  while (!idle_.empty()) {
    const auto idle_for = now - idle_.back()->idle_since;
    if (idle_for > oldest) return nullptr;  // the others are older still
    auto upstream = std::move(idle_.back());
    idle_.pop_back();
    auto& socket = upstream->stream.socket();
    if (socket.has_ahead() || ((certain || idle_for > kMoment) && !is_silent(socket))) continue;
    socket.set_listener(nullptr);
    return upstream;
  }
  return nullptr;
}

void Target::give_back(std::unique_ptr<Upstream> upstream, Clock::time_point now) {
  const auto& socket = upstream->stream.socket();
  if (!takes_requests() || socket.readable || socket.has_ahead()) return;
  // Those that were busy at once a moment ago will be again: connecting anew costs more than all else of a request.
  if (idle_.size() >= std::max(Limits::kPoolSize, busiest_)) idle_.erase(idle_.begin());
  upstream->idle_since = now;
  upstream->pooled();
  idle_.push_back(std::move(upstream));
}

void Target::discard(Upstream& upstream) {
  const auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const auto& idle) { return idle.get() == &upstream; });
  if (found != idle_.end()) idle_.erase(found);
}

void Target::close_idle_since(Clock::time_point before) {
  const auto kept =
      std::find_if(idle_.begin(), idle_.end(), [&](const auto& idle) { return idle->idle_since > before; });
  idle_.erase(idle_.begin(), kept);
  busiest_ = std::max(claims_.size(), busiest_ - busiest_ / 8);
}

void Target::refused(Clock::time_point now, std::chrono::milliseconds ejection) {
  if (++refused_ < Limits::kEjectAfter) return;
  refused_ = 0;
  ejected_until_ = now + ejection;
}

std::chrono::milliseconds Target::eject(Clock::time_point now, std::chrono::milliseconds first) {
  if (now - ejected_until_ > kGoodSpell) spell_ = 0;
  const auto pause = time_out(first, spell_++);
  ejected_until_ = now + pause;
  record.clear();
  return pause;
}

}  // namespace fleet::proxy
