#include "app_under_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace fleet::plan {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

std::string to_text(const Action& action) {
  return std::visit(Overloaded{
                        [](const Fetch& a) { return "fetch " + a.url; },
                        [](const CancelFetch&) { return std::string("cancel fetch"); },
                        [](const DiscardRelease& a) { return "discard v" + std::to_string(a.release); },
                        [](const KeepRelease& a) { return "keep v" + std::to_string(a.release); },
                        [](const Start& a) { return "start " + a.instance; },
                        [](const Probe& a) { return "probe " + a.instance; },
                        [](const Stop& a) { return "stop " + a.instance; },
                        [](const Forget& a) { return "forget " + a.instance; },
                        [](const Publish& a) { return "publish " + std::to_string(a.generation); },
                        [](const Report&) { return std::string(); },
                        [](const Blame& a) { return "blame " + std::to_string(a.watch.deployment); },
                        [](const RunHook& a) { return "run " + a.id; },
                        [](const DropHook& a) { return "drop " + a.id; },
                        [](const Finish& a) { return "finish " + std::string(name(a.rollout.outcome)); },
                    },
                    action);
}

AppUnderTest::AppUnderTest(std::uint32_t instances) {
  config.name = state.name = "shop";
  config.instances = instances;
}

void AppUnderTest::feed(const Event& event) {
  const Context context{config, now, generation + 1};
  auto next = step(std::move(state), event, context);
  state = std::move(next.state);
  actions = std::move(next.actions);
  wake_at = next.wake_at;
  for (const auto& action : actions) {
    if (const auto* publish = std::get_if<Publish>(&action)) generation = publish->generation;
  }
}

void AppUnderTest::wait(milliseconds time) {
  const auto until = now + time;
  std::vector<Action> all;
  const auto tick = [&] {
    feed(Tick{});
    all.insert(all.end(), actions.begin(), actions.end());
  };
  for (int ticks = 0; wake_at && *wake_at <= until; ++ticks) {
    if (ticks == 10'000) {
      ADD_FAILURE() << "it wakes up again and again at " << now.count();
      return;
    }
    now = std::max(now, *wake_at);
    tick();
  }
  now = until;
  tick();
  actions = std::move(all);
}

void AppUnderTest::deploy(const std::string& sha256) {
  feed(Request{++deployment, RolloutKind::deploy, "https://builds/" + sha256, "", 0, "ann"});
  feed(Fetched{sha256});
}

void AppUnderTest::rollback(std::uint64_t release) {
  feed(Request{++deployment, RolloutKind::rollback, "", "", release, "ann"});
}

void AppUnderTest::restart() { feed(Request{++deployment, RolloutKind::restart, "", "", 0, "ann"}); }

void AppUnderTest::start_all() {
  for (const auto& id : in(InstancePhase::starting)) feed(Started{id, 4000, 77});
}

void AppUnderTest::pass(const std::string& id) {
  for (std::uint32_t i = 0; i < config.health.healthy; ++i) feed(Probed{id, ProbeOutcome::passed, ""});
}

void AppUnderTest::fail(const std::string& id) {
  for (std::uint32_t i = 0; i < config.health.unhealthy; ++i) feed(Probed{id, ProbeOutcome::failed, "503"});
}

void AppUnderTest::warm_up() {
  start_all();
  for (const auto& id : in(InstancePhase::warming)) pass(id);
}

void AppUnderTest::serve(const std::string& sha256) {
  deploy(sha256);
  warm_up();
  finish_rollout();
}

void AppUnderTest::finish_rollout() {
  feed(Acked{generation});
  for (const auto& id : in(InstancePhase::draining)) feed(Drained{id});
  feed(Acked{generation});
  for (const auto& id : in(InstancePhase::stopping)) feed(Ended{id, "exited with code 0", 0, {}});
}

void AppUnderTest::come_back(const std::vector<std::string>& running, bool boot, std::vector<std::string> awaits) {
  Recovered recovered;
  recovered.awaits = std::move(awaits);
  recovered.boot = boot;
  for (const auto& id : running) recovered.running[id] = Started{id, 4000, 77};
  feed(recovered);
}

void AppUnderTest::come_back() {
  std::vector<std::string> running;
  for (const auto& instance : state.instances) {
    if (is_running(instance.phase)) running.push_back(instance.id);
  }
  if (const auto* run = hook()) running.push_back(run->id);
  come_back(running);
}

const HookRun* AppUnderTest::hook() const {
  if (!state.rollout || state.rollout->hooks.empty() || is_over(state.rollout->hooks.back())) return nullptr;
  return &state.rollout->hooks.back();
}

void AppUnderTest::end_hook(std::int32_t code) {
  const auto* run = hook();
  ASSERT_NE(run, nullptr) << "no hook is under way";
  const auto id = run->id;
  feed(Started{id, 5000, 88});
  feed(Ended{id, "exited with code " + std::to_string(code), code, {}});
}

const Instance* AppUnderTest::find(const std::string& id) const {
  const auto found = std::ranges::find(state.instances, id, &Instance::id);
  return found == state.instances.end() ? nullptr : &*found;
}

InstancePhase AppUnderTest::phase(const std::string& id) const {
  const auto* instance = find(id);
  return instance ? instance->phase : InstancePhase::gone;
}

std::vector<std::string> AppUnderTest::in(InstancePhase phase) const {
  std::vector<std::string> ids;
  for (const auto& instance : state.instances) {
    if (instance.phase == phase) ids.push_back(instance.id);
  }
  return ids;
}

std::vector<std::string> AppUnderTest::routed(TargetState wanted) const {
  std::vector<std::string> ids;
  for (const auto& release : route_of(state, config).releases) {
    for (const auto& target : release.targets) {
      if (target.state == wanted) ids.push_back(target.id);
    }
  }
  return ids;
}

std::vector<std::string> AppUnderTest::did() const {
  std::vector<std::string> lines;
  for (const auto& action : actions) {
    if (auto line = to_text(action); !line.empty() && !line.starts_with("probe ")) lines.push_back(std::move(line));
  }
  return lines;
}

bool AppUnderTest::did(const std::string& line) const {
  return std::ranges::any_of(actions, [&](const Action& action) { return to_text(action) == line; });
}

const Report* AppUnderTest::told(ReportKind kind) const {
  for (const auto& action : actions) {
    const auto* report = std::get_if<Report>(&action);
    if (report && report->kind == kind) return report;
  }
  return nullptr;
}

const Rollout* AppUnderTest::finished() const {
  for (const auto& action : actions) {
    if (const auto* finish = std::get_if<Finish>(&action)) return &finish->rollout;
  }
  return nullptr;
}

}  // namespace fleet::plan
