// One application's machine with its inputs at hand. Actions are kept as short lines ("start shop-v1-1", "publish 2"),
// so that a test reads as what was done and in which order.
#pragma once

#include <string>
#include <vector>

#include "plan/app.hpp"

namespace fleet::plan {

// Reports are "" : they tell what happened, and change nothing.
std::string to_text(const Action& action);

class AppUnderTest {
 public:
  explicit AppUnderTest(std::uint32_t instances = 1);

  // Feeds one event; what it did is in did() until the next.
  void feed(const Event& event);
  void wait(milliseconds time);       // passes, with every wake-up that falls in it
  void deploy(const std::string& sha256);  // requested and fetched: candidates are being started
  void rollback(std::uint64_t release = 0);
  void restart();
  void start_all();                   // what is being started, runs
  void pass(const std::string& id);   // its probes pass until they count
  void fail(const std::string& id);   // its probes fail until they count
  void warm_up();                     // everything starts and passes
  void serve(const std::string& sha256);  // a whole deploy, until it is done
  void finish_rollout();              // everything drains, stops and is acknowledged
  void come_back(const std::vector<std::string>& running, bool boot = false, std::vector<std::string> awaits = {});
  void come_back();                   // everything still runs

  const HookRun* hook() const;  // under way; null: none is
  void end_hook(std::int32_t code = 0);  // it starts, and exits

  const Instance* find(const std::string& id) const;
  InstancePhase phase(const std::string& id) const;  // gone: there is none
  std::vector<std::string> in(InstancePhase phase) const;
  std::vector<std::string> ready() const { return in(InstancePhase::ready); }
  std::vector<std::string> routed(TargetState state) const;
  // Without probes, which tests of health look at by themselves.
  std::vector<std::string> did() const;
  bool did(const std::string& line) const;
  bool probed(const std::string& id) const { return did("probe " + id); }
  const Rollout* finished() const;  // by the last event
  const Report* told(ReportKind kind) const;  // likewise; null: it did not tell

  AppConfig config;
  AppState state;
  milliseconds now{1000};
  std::uint64_t generation = 0;  // last published
  std::uint64_t deployment = 0;  // last asked for
  std::vector<Action> actions;
  std::optional<milliseconds> wake_at;
};

}  // namespace fleet::plan
