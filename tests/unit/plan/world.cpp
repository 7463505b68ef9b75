#include "world.hpp"

#include <algorithm>

#include "app_under_test.hpp"

namespace fleet::plan {
namespace {

// An event as the log shows it.
std::string to_text(const Event& event) {
  struct Text {
    std::string operator()(const Request& e) const {
      return std::string(name(e.kind)) + " " + e.url + (e.release ? " v" + std::to_string(e.release) : "");
    }
    std::string operator()(const Fetched& e) const { return "fetched " + e.sha256; }
    std::string operator()(const FetchFailed&) const { return "fetch failed"; }
    std::string operator()(const Started& e) const { return "started " + e.instance; }
    std::string operator()(const Probed& e) const { return "probed " + e.instance + " " + std::string(name(e.outcome)); }
    std::string operator()(const NotifiedReady& e) const { return "notified " + e.instance; }
    std::string operator()(const Ended& e) const { return "ended " + e.instance; }
    std::string operator()(const Acked& e) const { return "acked " + std::to_string(e.generation); }
    std::string operator()(const Drained& e) const { return "drained " + e.instance; }
    std::string operator()(const Abort&) const { return "abort"; }
    std::string operator()(const Hold&) const { return "hold"; }
    std::string operator()(const Unhold&) const { return "unhold"; }
    std::string operator()(const Configured&) const { return "configured"; }
    std::string operator()(const Removed&) const { return "removed"; }
    std::string operator()(const Recovered& e) const {
      std::string text = e.boot ? "boot:" : "recovered:";
      for (const auto& [id, started] : e.running) text += " " + id;
      return text;
    }
    std::string operator()(const Awaits& e) const { return "awaits " + std::to_string(e.apps.size()); }
    std::string operator()(const CannotRollBack&) const { return "cannot roll back"; }
    std::string operator()(const Tick&) const { return "tick"; }
  };
  return std::visit(Text{}, event);
}

// Whom an event is about; empty: nobody, or everybody.
std::string subject(const Event& event) {
  return std::visit(
      [](const auto& e) -> std::string {
        if constexpr (requires { e.instance; }) return e.instance;
        return "";
      },
      event);
}

bool is_for_all(const Event& event) {
  return std::holds_alternative<Configured>(event) || std::holds_alternative<Removed>(event) ||
         std::holds_alternative<Recovered>(event);
}

}  // namespace

World::World(std::uint64_t seed) : random_(seed) {
  state_.name = config_.name = "shop";
  config_.instances = static_cast<std::uint32_t>(1 + up_to(2));
  config_.health.healthy = static_cast<std::uint32_t>(1 + up_to(2));
  config_.health.unhealthy = static_cast<std::uint32_t>(1 + up_to(2));
  config_.health.unhealthy_restart = milliseconds(chance(50) ? 0 : 3000);
  if (chance(20)) config_.health.kind = HealthKind::notify;
  config_.deploy.rollback_on_crash = chance(30);
  for (auto* hook : {&config_.hooks.pre_start, &config_.hooks.pre_switch, &config_.hooks.post_switch,
                     &config_.hooks.pre_stop, &config_.hooks.on_failure}) {
    if (chance(30)) hook->command = {"hook"};
  }
  now_ = milliseconds(chance(30) ? 0 : 100'000);
  rough_ = chance(40);
}

void World::chaos() {
  const auto dice = up_to(99);
  if (dice < (rough_ ? 60 : 75)) return answer();
  if (dice < (rough_ ? 75 : 89)) return let_time_pass();
  if (dice < (rough_ ? 85 : 96)) return old_news();
  disturb();
}

void World::answer() {
  if (chance(20)) return acknowledge();
  if (chance(15)) return drain();
  if (pending_.empty()) return ask();
  const auto index = static_cast<std::ptrdiff_t>(up_to(pending_.size() - 1));
  const auto [what, event] = pending_[static_cast<std::size_t>(index)];
  pending_.erase(pending_.begin() + index);
  feed(event, what);
}

void World::disturb() {
  switch (up_to(9)) {
    case 0: case 1: return crash();
    case 2: case 3: return come_back(false);
    case 4: return chance(20) ? come_back(true) : come_back(false);
    case 5: return reconfigure();
    case 6: return feed(Abort{"bob"}, "somebody");
    case 7: return chance(10) ? feed(Removed{}, "somebody") : feed(Configured{}, "somebody");
    case 8: return feed(Awaits{chance(50) ? std::vector<std::string>{"db"} : std::vector<std::string>{}}, "another app");
    default: break;
  }
  if (!state_.rollout || before_commit(state_.rollout->phase) || chance(50)) return ask();
  // Somebody regrets it while the old instances still run.
  const Request regret{deployment_ + 1, RolloutKind::rollback, "", "old", 0, "bob"};
  if (admit(state_, regret, [](std::uint64_t) { return true; })) {
    ++deployment_;
    feed(regret, "somebody");
  }
}

void World::ask() {
  Request request;
  request.requested_by = "ann";
  request.kind = chance(60) ? RolloutKind::deploy : chance(60) ? RolloutKind::rollback : RolloutKind::restart;
  if (request.kind == RolloutKind::deploy) {
    request.url = "build" + std::to_string(chance(70) ? ++build_ : build_);
    if (chance(20)) request.sha256 = request.url;
  } else if (request.kind == RolloutKind::rollback) {
    request.sha256 = "old";
    if (chance(30)) request.release = 1 + up_to(state_.next_release);
  }
  if (const auto due = due_rollback(state_)) request = *due, request.sha256 = "old";
  const auto next = state_.next_release;
  if (!admit(state_, request, [next](std::uint64_t release) { return release < next; })) {
    // A request that is not admitted is not given to step() but for this: one that raced another, while one runs.
    if (!state_.rollout || chance(70)) return;
  }
  request.deployment = ++deployment_;
  const auto running = state_.rollout;
  feed(request, "somebody");
  if (state_.rollout == running && !finished_.contains(deployment_)) --deployment_;  // refused
}

void World::reconfigure() {
  config_.instances = static_cast<std::uint32_t>(1 + up_to(3));
  config_.health.healthy = static_cast<std::uint32_t>(1 + up_to(2));
  config_.health.unhealthy = static_cast<std::uint32_t>(1 + up_to(2));
  config_.path = chance(50) ? "/" : "/x";
  feed(Configured{}, "reload");
}

void World::crash() {
  if (alive_.empty()) return;
  const auto victim = *std::next(alive_.begin(), static_cast<std::ptrdiff_t>(up_to(alive_.size() - 1)));
  alive_.erase(victim);
  pending_.push_back({"crash", Ended{victim, "was killed by SIGSEGV", {}, 11}});
}

void World::acknowledge() {
  if (acked_ < generation_) acked_ = chance(60) ? generation_ : acked_ + 1 + up_to(generation_ - acked_ - 1);
  // Every worker routes by this one or a later one from now on; the planner may hear of it late.
  std::erase_if(tables_, [&](const auto& table) { return table.first < acked_; });
  pending_.push_back({"worker", Acked{acked_}});
}

// Sooner than any worker could say so, at times.
void World::drain() {
  for (const auto instances = state_.instances; const auto& instance : instances) {
    if (instance.phase == InstancePhase::draining && chance(50)) return feed(Drained{instance.id}, "worker");
  }
}

void World::let_time_pass() {
  if (wake_at_ && chance(70)) return wake();
  now_ += milliseconds(chance(10) ? up_to(200'000) : up_to(500));
  feed(Tick{}, "time");
}

void World::wake() {
  if (!wake_at_) return;
  now_ = std::max(now_, *wake_at_);
  feed(Tick{}, "wake-up");
}

void World::old_news() {
  if (news_.empty() || chance(30)) {
    const std::string stranger = "shop-v9-999";
    const std::vector<Event> strange = {
        Started{stranger, 1, 1}, Ended{stranger, "?", {}, {}}, Probed{stranger, ProbeOutcome::passed, ""},
        Drained{stranger},       NotifiedReady{stranger},      Acked{0}};
    return feed(strange[up_to(strange.size() - 1)], "stranger");
  }
  const auto event = news_[up_to(news_.size() - 1)];
  // Of a process that runs nobody says that it ended, and a fetch answers for itself only.
  if (std::holds_alternative<Ended>(event) && alive_.contains(subject(event))) return;
  if (std::holds_alternative<Fetched>(event) && state_.rollout && state_.rollout->phase == RolloutPhase::prepare) return;
  feed(event, "again");
}

void World::come_back(bool boot) {
  // What was under way is lost: starts that had begun or had not, signals that ended a process or did not.
  for (const auto& [what, event] : pending_) {
    if (std::holds_alternative<Started>(event) && chance(50)) alive_.erase(subject(event));
    if (what == "stop" && chance(50)) alive_.erase(subject(event));
  }
  pending_.clear();
  if (boot) alive_.clear();
  if (!boot && !alive_.empty() && chance(30)) alive_.erase(alive_.begin());
  if (chance(5)) alive_.clear();
  Recovered recovered;
  recovered.boot = boot;
  if (boot && chance(50)) recovered.awaits = {"db", "mail"};
  for (const auto& id : alive_) recovered.running[id] = Started{id, 4000, 77};
  feed(recovered, "fleetd");
  for (const auto& id : alive_) {
    if (parse_hook_id(id)) pending_.push_back({"shim", Ended{id, "exited with code 0", 0, {}}});
  }
  if (config_.health.kind == HealthKind::notify) {
    for (const auto& id : alive_) pending_.push_back({"shim", NotifiedReady{id}});  // its shim remembers
  }
}

void World::perform(const Action& action) {
  const auto fail_or = [&](Event good, Event bad) { return !calm_ && chance(rough_ ? 15 : 5) ? bad : good; };
  if (const auto* fetch = std::get_if<Fetch>(&action)) {
    std::erase_if(pending_, [](const Pending& p) { return p.first == "fetch"; });
    pending_.push_back({"fetch", fail_or(Fetched{fetch->url}, FetchFailed{ErrorKind::fetch, "404"})});
  } else if (std::holds_alternative<CancelFetch>(action)) {
    std::erase_if(pending_, [](const Pending& p) { return p.first == "fetch"; });
  } else if (const auto* start = std::get_if<Start>(&action)) {
    must(ever_.insert(start->instance).second, "an id is started twice: " + start->instance);
    const bool fails = !calm_ && chance(rough_ ? 10 : 2);
    if (!fails) alive_.insert(start->instance);
    if (fails) pending_.push_back({"start", Ended{start->instance, "could not be started", {}, {}}});
    else pending_.push_back({"start", Started{start->instance, 4000, 77}});
    if (!fails && config_.health.kind == HealthKind::notify && (calm_ || chance(80))) {
      pending_.push_back({"shim", NotifiedReady{start->instance}});
    }
  } else if (const auto* probe = std::get_if<Probe>(&action)) {
    const bool sick = !calm_ && chance(rough_ ? 30 : 5);
    pending_.push_back({"probe", Probed{probe->instance, sick ? ProbeOutcome::failed : ProbeOutcome::passed, "503"}});
  } else if (const auto* stop = std::get_if<Stop>(&action)) {
    check_stop(stop->instance);
    pending_.push_back({"stop", Ended{stop->instance, "exited with code 0", 0, {}}});
  } else if (const auto* run = std::get_if<RunHook>(&action)) {
    must(ever_.insert(run->id).second, "an id is started twice: " + run->id);
    const bool fails = !calm_ && chance(rough_ ? 15 : 5);
    const bool begins = !fails || chance(70);
    if (begins) alive_.insert(run->id);
    if (begins) pending_.push_back({"start", Started{run->id, 5000, 88}});
    if (begins && !calm_ && chance(5)) return;  // hangs
    pending_.push_back({"hook", fails ? Ended{run->id, "exited with code 3", 3, {}} : Ended{run->id, "exited with code 0", 0, {}}});
  } else if (const auto* drop = std::get_if<DropHook>(&action)) {
    alive_.erase(drop->id);
    std::erase_if(pending_, [&](const Pending& p) { return subject(p.second) == drop->id; });
  } else if (const auto* forget = std::get_if<Forget>(&action)) {
    must(forgotten_.insert(forget->instance).second, "forgotten twice: " + forget->instance);
    must(!alive_.contains(forget->instance), "forgotten while it runs: " + forget->instance);
  } else if (const auto* finish = std::get_if<Finish>(&action)) {
    must(finish->rollout.outcome != Outcome::pending, "finished without an outcome");
    must(finished_.emplace(finish->rollout.deployment, finish->rollout.outcome).second, "finished twice");
  }
}

void World::feed(const Event& event, const std::string& what) {
  if (broken()) return;
  if (!std::holds_alternative<Tick>(event) && !std::holds_alternative<Request>(event) && !is_for_all(event)) {
    news_.push_back(event);
  }
  // A process whose end is told has ended, even if it was told to do so by a signal that is under way.
  if (const auto* ended = std::get_if<Ended>(&event)) alive_.erase(ended->instance);

  const AppState before = state_;
  auto next = step(state_, event, Context{config_, now_, generation_ + 1});
  state_ = next.state;
  wake_at_ = next.wake_at;
  std::string line = "[" + std::to_string(now_.count()) + "] " + what + ": " + to_text(event) + " =>";
  for (const auto& action : next.actions) {
    if (const auto text = plan::to_text(action); !text.empty()) line += " " + text + ";";
  }
  line += state_.rollout ? " (" + std::string(name(state_.rollout->phase)) + ")" : "";
  for (const auto& i : state_.instances) line += " " + i.id + "=" + std::string(name(i.phase));
  log_.push_back(std::move(line));
  if (log_.size() > 40) log_.pop_front();

  check_probe_only(before, event, next);
  check_routing(next);
  check_hooks(before, next, event);
  for (const auto& action : next.actions) perform(action);
  check_step(before, event, next);
}

bool World::calm_down(int bound) {
  calm_ = true;
  // What was lost on the way is found again by the next fleetd; nothing else is promised for lost answers.
  come_back(false);
  for (int i = 0; i < bound && !broken(); ++i) {
    const bool moving = state_.rollout || std::ranges::any_of(state_.instances, [](const Instance& instance) {
                          return instance.phase != InstancePhase::ready;
                        });
    if (!moving) return true;
    const bool draining = std::ranges::any_of(state_.instances, [](const Instance& instance) {
      return instance.phase == InstancePhase::draining;
    });
    if (acked_ < generation_) {
      acked_ = generation_;
      std::erase_if(tables_, [&](const auto& table) { return table.first < acked_; });
      feed(Acked{acked_}, "worker");
    } else if (!pending_.empty()) {
      const auto [what, event] = pending_.front();
      pending_.pop_front();
      feed(event, what);
    } else if (draining) {
      for (const auto instances = state_.instances; const auto& instance : instances) {
        if (instance.phase == InstancePhase::draining) feed(Drained{instance.id}, "worker");
      }
    } else {
      must(wake_at_.has_value(), "it waits for nothing");
      wake();
    }
  }
  return false;
}

std::string World::story() const {
  std::string text = complaint_;
  for (const auto& line : log_) text += "\n  " + line;
  return text;
}
}  // namespace fleet::plan
