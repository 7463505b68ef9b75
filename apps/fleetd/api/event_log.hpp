// The newest events, in memory, and those who read along. fleetd publishes; each reader has a place in the same ring,
// so that a slow one costs nothing and learns by a `gap` event that it missed something. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "api/views.hpp"
#include "net/task.hpp"

namespace fleet::api {

// Which events a reader wants. Absent: all.
struct EventFilter {
  std::uint64_t since = 0;  // those with a greater seq
  std::optional<DeploymentId> deployment = {};
  std::optional<std::string> app = {};
  bool wants(const EventView& event) const;
};

class EventLog {
 public:
  explicit EventLog(net::asio::io_context& io, std::size_t capacity = 4096);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // After a restart, before any publish: what was saved, oldest first. Numbering goes on after the last.
  void restore(std::vector<EventView> saved);

  // Gives the event its seq, keeps it, wakes the readers, and returns it as kept (to be saved; the reference is good
  // until the next publish). deployment.progress is not worth saving: it takes no number of its own and replaces the
  // former one of its deployment.
  const EventView& publish(EventView event);

  // The newest `limit` that pass, oldest first.
  std::vector<EventView> kept(const EventFilter& filter, std::size_t limit) const;

  // How many of each kind were published since fleetd began, by app; those of deployments that are over by outcome too.
  struct Kind {
    std::string app;  // empty: of none
    EventType type = EventType::app_state;
    std::optional<Outcome> outcome = {};
    auto operator<=>(const Kind&) const = default;
  };
  const std::map<Kind, std::uint64_t>& counts() const { return counts_; }

  std::uint64_t last_seq() const { return last_seq_; }
  net::asio::io_context& context() { return io_; }

 private:
  friend class EventReader;
  const EventView& keep(EventView event);

  net::asio::io_context& io_;
  std::size_t capacity_;
  std::uint64_t last_seq_ = 0;
  std::uint64_t next_place_ = 0;                    // places number what was published, progress too
  std::uint64_t lost_before_ = 0;                   // places below this fell off the end,
  std::uint64_t evicted_seq_ = 0;                   // and seqs up to this
  std::map<std::uint64_t, EventView> ring_;         // by place
  std::map<DeploymentId, std::uint64_t> progress_;  // place of the newest progress of a deployment
  std::set<class EventReader*> readers_;
  std::map<Kind, std::uint64_t> counts_;
};

// One reader's place. It may outlive the log, as what is suspended in an io_context does, but not be asked any more.
class EventReader {
 public:
  EventReader(EventLog& log, EventFilter filter);
  ~EventReader();
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  // The next event that passes the filter, if it is there already.
  std::optional<EventView> poll();
  // Until something was published, stop(), or `at_most`.
  net::Task<> wait(milliseconds at_most);
  void stop();  // ends wait(), now and from now on
  bool stopped() const { return stopped_; }

 private:
  friend class EventLog;
  EventLog* log_;  // null: gone
  EventFilter filter_;
  std::uint64_t place_ = 0;
  std::uint64_t seen_seq_;
  bool missed_ = false, stopped_ = false;
  net::Timer wake_;
};

}  // namespace fleet::api
