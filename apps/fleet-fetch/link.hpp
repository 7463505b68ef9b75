// The link to fleetd (wire/messages.hpp, "fleetd <-> fleet-fetch"): one job in, progress and one outcome back.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/result.hpp"
#include "rate.hpp"
#include "wire/frame.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

constexpr int kLinkFd = 3;

class Link {
 public:
  explicit Link(int fd) : fd_(fd) {}  // borrowed

  Result<wire::FetchJob> receive_job();

  // Waits until the peer's socket has taken it all. Errors: aborted when the peer is gone.
  template <class M>
  Result<> send(const M& message) {
    return send_bytes(wire::frame(message));
  }

  // After the job the peer has nothing more to say: whatever arrives, also the end of the stream, tells us to stop.
  bool stop_asked() const;
  int fd() const { return fd_; }

 private:
  Result<> send_bytes(std::string_view bytes);
  int fd_;
};

// Where the work is: what is told to fleetd, and whether to go on.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  Progress(Link& link, std::chrono::milliseconds timeout)
      : link_(link), timeout_(timeout), deadline_(Clock::now() + timeout) {}

  // Begins a phase; told at once.
  Result<> enter(wire::FetchPhase phase, std::uint64_t total);
  void set_total(std::uint64_t total) { now_.total = total; }

  // To be called at least for each MiB of work: tells fleetd at most ten times a second. Errors: aborted when fleetd
  // is gone or SIGTERM has come, fetch when the time is up.
  Result<> reach(std::uint64_t bytes);

  wire::FetchPhase phase() const { return now_.phase; }
  Clock::duration time_left() const { return deadline_ - Clock::now(); }
  std::unexpected<Error> timed_out() const;
  const Link& link() const { return link_; }

 private:
  Link& link_;
  std::chrono::milliseconds timeout_;
  Clock::time_point deadline_;
  Clock::time_point told_{};
  wire::FetchProgress now_;
  Rate rate_;
};

// From now on SIGTERM makes Link::stop_asked true, so that what was begun is taken away again; and what a write runs
// into (a closed connection, the limit on a file's size) is that write's error.
void take_signals();

}  // namespace fleet::fetch
