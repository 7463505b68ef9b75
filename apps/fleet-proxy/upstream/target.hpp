// One instance as this worker sees it: its address, the requests claimed on it, its pooled connections, its figures.
#pragma once

#include <sys/socket.h>

#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/stream.hpp"
#include "limits.hpp"
#include "telemetry/figures.hpp"
#include "upstream/balance.hpp"
#include "upstream/outlier.hpp"
#include "wire/messages.hpp"

namespace fleet::proxy {

class Target;

// A connection to an instance. While it is pooled any event on it, bytes or an end, discards it (R4, R12).
class Upstream final : ReadinessListener {
 public:
  Upstream(SocketPtr socket, Target& target) : stream(std::move(socket)), target_(target) {}
  PlainStream stream;
  std::uint64_t exchanges = 0;
  Clock::time_point idle_since{};

  bool reused() const { return exchanges > 0; }
  void on_ready() override;
  void pooled() { stream.socket().set_listener(this); }

 private:
  Target& target_;
};

// What an exchange is told of its target. It may only note it, and schedule.
class ClaimHolder {
 public:
  virtual void target_gone() = 0;
  virtual void target_draining() = 0;  // from now on at drain_cut_*()

 protected:
  ~ClaimHolder() = default;
};

class Target : public std::enable_shared_from_this<Target> {
 public:
  // Told when the last request or pooled connection of a draining or gone target has ended.
  class Observer {
   public:
    virtual void target_quiet(Target& target) = 0;

   protected:
    ~Observer() = default;
  };

  // Counted from construction to destruction.
  class Claim : public boost::intrusive::list_base_hook<> {
   public:
    Claim(std::shared_ptr<Target> target, ClaimHolder& holder);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    Target& target() { return *target_; }
    // When it is cut; never while the target does not drain.
    Clock::time_point cut_at(bool stream) const { return target_->cut_at(stream, turn_); }
    ClaimHolder& holder() { return holder_; }

   private:
    std::shared_ptr<Target> target_;
    ClaimHolder& holder_;
    const unsigned turn_;
  };

  Target(const std::string& app, std::uint64_t release, const fleet::Target& from, Observer& observer);

  const std::string id, app;
  const std::uint64_t release;
  const Endpoint endpoint;
  const std::string socket_path;              // of a unix socket, in place of the endpoint
  const std::string address_text, port_text;  // "127.0.0.1:20001", "20001"; "unix:/run/fleet/http/shop-v1-1", ""
  const std::uint64_t place;                  // what it is known by to rendezvous hashing
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t address_size() const { return address_size_; }  // 0: not an address

  TargetState state() const { return state_; }
  void set_state(TargetState state, Clock::time_point now);
  void set_drain(std::chrono::milliseconds for_requests, std::chrono::milliseconds for_streams) {
    drain_requests_ = for_requests, drain_streams_ = for_streams;
  }
  bool takes_requests() const { return state_ == TargetState::ready && !gone_; }
  // No table names it any more: everything on it is cut.
  void go();
  bool gone() const { return gone_; }
  bool quiet() const { return claims_.empty() && idle_.empty(); }
  std::uint32_t in_flight() const { return static_cast<std::uint32_t>(claims_.size()); }
  wire::TargetStats stats() const;

  // The connection used last, or null. `oldest`: one that has been idle for longer is not given. `certain`: the kernel
  // is asked whether its end has come; otherwise only of one that has been idle for more than a moment.
  std::unique_ptr<Upstream> take_idle(Clock::time_point now, std::chrono::milliseconds oldest, bool certain);
  void give_back(std::unique_ptr<Upstream> upstream, Clock::time_point now);
  void discard(Upstream& upstream);
  void close_idle_since(Clock::time_point before);

  // Passive ejection: a target that refuses connections is passed over for a moment.
  void connected() { refused_ = 0; }
  void refused(Clock::time_point now, std::chrono::milliseconds ejection);
  // So is one that fails where others do not, for longer each time; returns for how long.
  std::chrono::milliseconds eject(Clock::time_point now, std::chrono::milliseconds first);
  bool ejected(Clock::time_point now) const { return now < ejected_until_; }

  // It comes to others that take requests already: its slow start begins.
  void join(Clock::time_point now) { joined_ = now; }
  std::uint32_t share(Clock::time_point now, std::chrono::milliseconds slow_start) const {
    if (slow_start.count() == 0) return kFullShare;
    return share_at(std::chrono::duration_cast<std::chrono::milliseconds>(now - joined_), slow_start);
  }
  std::int64_t credit = 0;  // of weighted turns

  Record record;       // of how its requests came out
  FiguresPtr figures;  // of its release; shared
  std::uint64_t requests = 0, failed = 0, client_aborted = 0, retried = 0, held = 0;

 private:
  void report_if_quiet();
  // Streams are cut by turns over the last tenth of their time: all of their clients come back, better not at once (D8).
  Clock::time_point cut_at(bool stream, unsigned turn) const {
    if (!draining_since_) return Clock::time_point::max();
    if (!stream) return *draining_since_ + drain_requests_;
    const auto share = (turn * 0x9E3779B9u) >> 26;  // by the golden ratio: spread evenly, however many they are
    return *draining_since_ + drain_streams_ - drain_streams_ / 10 * share / 64;
  }

  unsigned next_turn_ = 0;
  sockaddr_storage address_{};
  socklen_t address_size_ = 0;
  TargetState state_ = TargetState::ready;
  std::optional<Clock::time_point> draining_since_;
  std::chrono::milliseconds drain_requests_{kForever}, drain_streams_{kForever};
  bool gone_ = false;
  boost::intrusive::list<Claim> claims_;
  std::size_t busiest_ = 0;  // claims at once, of late
  std::vector<std::unique_ptr<Upstream>> idle_;  // the most recently used last
  unsigned refused_ = 0, spell_ = 0;
  Clock::time_point ejected_until_{}, joined_{};
  Observer& observer_;
};

using TargetPtr = std::shared_ptr<Target>;

}  // namespace fleet::proxy
