// Requests that wait: while their app has no target that takes them, or while it is held on purpose. They go on in the
// order in which they came, at the pace of hold_pace.hpp, and whoever comes meanwhile waits behind them.
#pragma once

#include <boost/intrusive/list.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/buffer.hpp"
#include "upstream/target.hpp"

namespace fleet::proxy {

class Holds;

// Of one app; outlives its tables.
class Hold {
 public:
  enum class Standing : std::uint8_t {
    waits,
    let_go,      // its turn has come
    look_again,  // what it waits for may have changed
  };

  // One that waits. Leaving is giving up its place.
  class Place : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    // `arrived`: the request, however often it had to wait.
    Place(Hold& hold, Wakeup& wakeup, Clock::time_point arrived);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Standing standing() const { return standing_; }

   private:
    friend Hold;
    Hold& hold_;
    Wakeup& wakeup_;
    const Clock::time_point arrived_;
    Standing standing_ = Standing::waits;
  };

  // `all`: every app's, for what bounds them together.
  explicit Hold(Holds& all) : all_(all) {}

  // A new table. `targets`: those that may take its requests.
  void configure(const Route& route, std::vector<TargetPtr> targets, Clock::time_point now);
  void leave_table();

  // Whether a request that comes now has to wait, whatever targets there are.
  bool blocks(Clock::time_point now) const { return !waiting_.empty() || now < held_until_; }
  // Whether one may wait: there is room, and something to wait for.
  bool admits() const;
  bool is_hopeless() const { return !awaited_ && targets_.empty(); }
  // Until when one that has `arrived` then may wait.
  Clock::time_point patience(Clock::time_point arrived) const;
  // While requests wait: are those for this target, or path, answered for the application?
  bool answers(std::string_view target, Clock::time_point now) const;

  // All its targets refuse connections: until then it is as if there were none.
  void refused(Clock::time_point until) { refused_until_ = until; }

  // Lets go who may go. For each table, tick, and end of a request while others wait.
  void release(Clock::time_point now);
  std::uint32_t size() const { return size_; }

 private:
  bool is_open(Clock::time_point now) const;
  void wake_all();
  void wake_first();

  using List = boost::intrusive::list<Place, boost::intrusive::constant_time_size<false>>;
  Holds& all_;
  List waiting_;
  std::uint32_t size_ = 0;
  HoldConfig config_;
  bool awaited_ = false, rerouted_ = false;
  std::vector<std::string> hosts_;
  std::string path_;
  std::vector<TargetPtr> targets_;
  Clock::time_point held_until_{}, refused_until_{};
  std::optional<Clock::time_point> open_since_;
};

// Of all apps of a worker.
class Holds {
 public:
  // What a request that waits keeps: a block with its head and what came of its body, and one with the head as it will
  // be sent on.
  static constexpr std::size_t kBytesEach = 2 * kBlock, kMaxBytes = 256u << 20;
  static constexpr std::uint32_t kMost = kMaxBytes / kBytesEach;

  std::shared_ptr<Hold> of(const std::string& app);
  // Those that no route has any more have nothing to wait for.
  void retain(const std::vector<std::string>& apps);
  void release(Clock::time_point now);
  std::uint32_t size() const { return size_; }

 private:
  friend Hold;
  friend Hold::Place;
  std::map<std::string, std::shared_ptr<Hold>> all_;
  std::uint32_t size_ = 0;
};

}  // namespace fleet::proxy
