// A simulated world around one app's machine: processes, workers and fetches that answer in any order, late, twice or
// about things long gone. After each event it checks what must hold whatever happens.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "plan/app.hpp"

namespace fleet::plan {

class World {
 public:
  explicit World(std::uint64_t seed);

  void chaos();  // one random thing happens
  // From now on everything goes well, and fairly: every action is answered, nothing else happens. False: it did not
  // come to rest within `bound` events.
  bool calm_down(int bound);
  void check_at_rest();  // after calm_down(): one release in rotation, nothing left over

  bool broken() const { return !complaint_.empty(); }
  std::string story() const;  // the complaint, and the last things that happened
  const std::map<std::uint64_t, Outcome>& finished() const { return finished_; }  // by deployment
  std::uint64_t probed_only() const { return probed_only_; }  // steps that probe_only() could do
  void check_saved_state();  // reads as what was written, and a fleetd that comes back with it does the same

 private:
  using Pending = std::pair<std::string, Event>;  // what it is, and the event

  void feed(const Event& event, const std::string& what);
  void perform(const Action& action);
  void check_probe_only(AppState state, const Event& event, const Step& next);
  void check_step(const AppState& before, const Event& event, const Step& next);
  void check_routing(const Step& next);
  void check_stop(const std::string& id);
  void check_wake(const Step& next);
  void check_undisturbed(const AppState& before, const Event& event);
  void check_rollout(const AppState& before);
  void check_hooks(const AppState& before, const Step& next, const Event& event);
  bool is_due(Hook hook) const;
  void must(bool holds, const std::string& what);

  void answer();    // something that is under way comes to its end
  void disturb();   // something from outside
  void old_news();  // again, late, or about a stranger
  void come_back(bool boot);
  void ask();
  void reconfigure();
  void acknowledge();
  void drain();
  void crash();
  void let_time_pass();
  void wake();
  std::uint64_t up_to(std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n)(random_); }
  bool chance(unsigned percent) { return up_to(99) < percent; }

  std::mt19937_64 random_;
  AppConfig config_;
  AppState state_;
  milliseconds now_{0};
  std::optional<milliseconds> wake_at_;

  std::set<std::string> alive_;      // processes
  std::set<std::string> ever_;       // ids that were started
  std::set<std::string> forgotten_;
  std::map<std::pair<std::uint64_t, Hook>, int> hooks_;  // how often one was begun, by deployment
  std::deque<Pending> pending_;      // answers under way
  std::vector<Event> news_;          // what was said before, to be said again
  std::map<std::uint64_t, std::set<std::string>> tables_;  // those that some worker may still route by
  std::uint64_t generation_ = 0, acked_ = 0;
  std::uint64_t deployment_ = 0, build_ = 0;
  std::map<std::uint64_t, Outcome> finished_;
  std::uint64_t probed_only_ = 0;
  bool calm_ = false;
  bool rough_ = false;  // much goes wrong, else now and then something

  std::string complaint_;
  std::deque<std::string> log_;
};

}  // namespace fleet::plan
