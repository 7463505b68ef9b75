#include "faults.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <list>
#include <stdexcept>
#include <thread>

#include "census.hpp"
#include "os/process.hpp"
#include "os/process_tree.hpp"

namespace fleet::soak {
namespace {

constexpr unsigned kWorkers = 2;
constexpr int kRestartsToSpare = 3;  // beyond, the pause before the next start is longer than requests are held

struct Victim {
  pid_t pid = 0;
  std::string instance = {};
};

// A process that is signalled only while it is the one that was chosen.
class Target {
 public:
  explicit Target(pid_t pid) {
    auto opened = os::open_pidfd(pid, os::start_time_of(pid));
    if (opened) pidfd_ = std::move(*opened);
  }
  const os::Fd& process() const { return pidfd_; }
  bool signal(int number) const { return pidfd_ && os::signal(pidfd_, number).has_value(); }

 private:
  os::Fd pidfd_;
};

class Injector {
 public:
  Injector(Scene& scene, FaultPlan plan) : scene_(scene), plan_(std::move(plan)) {}

  std::vector<Fault> run() {
    for (;;) {
      const auto planned = plan_.next();
      sleep(planned.after);
      if (scene_.over) return std::move(journal_);
      inject(planned);
    }
  }

 private:
  void inject(const PlannedFault& planned) {
    switch (planned.kind) {
      case FaultKind::kill_fleetd: return kill_fleetd(planned);
      case FaultKind::stop_fleetd: return stop_fleetd(planned);
      case FaultKind::kill_worker: return strike_worker(planned);
      case FaultKind::stop_worker: return strike_worker(planned);
      case FaultKind::kill_instance: return strike_instance(planned);
      case FaultKind::stop_instance: return strike_instance(planned);
      case FaultKind::kill_shim: return kill_shim(planned);
      case FaultKind::starve: return starve(planned);
    }
  }

  void kill_fleetd(const PlannedFault& planned) {
    const std::lock_guard held(scene_.gate);
    if (const auto death = scene_.fleet.death(); !death.empty()) throw std::runtime_error("of itself: " + death);
    auto& fault = begin(planned, {scene_.fleet.pid()});
    scene_.fleet.kill();
    sleep(planned.lasting);
    end(fault);
    scene_.fleet.start(kPatience);
    recovered(fault, true);
  }

  void stop_fleetd(const PlannedFault& planned) {
    const std::lock_guard held(scene_.gate);
    auto& fault = begin(planned, {scene_.fleet.pid()});
    stop_for(Target(scene_.fleet.pid()), planned);
    end(fault);
    recovered(fault, scene_.wait_answers(kPatience));
  }

  // Stopped before it is killed, so that what it has accepted by then is known.
  void strike_worker(const PlannedFault& planned) {
    const std::lock_guard held(scene_.gate);
    const auto victim = choose_worker(planned.victim);
    const Target target(victim.pid);
    if (!target.signal(SIGSTOP)) return;
    auto& fault = begin(planned, victim);
    if (wait_stopped(victim.pid)) fault.connections = connections_of(target.process(), victim.pid, scene_.ports());
    fault.counted_at = now_ms();
    const bool killed = planned.kind == FaultKind::kill_worker;
    if (!killed) sleep(planned.lasting);
    target.signal(killed ? SIGKILL : SIGCONT);
    end(fault);
    recovered(fault, wait_workers(killed ? victim.pid : 0));
  }

  void strike_instance(const PlannedFault& planned) {
    const auto victim = choose_instance(planned.victim);
    const Target target(victim.pid);
    if (victim.pid == 0) return;
    auto& fault = begin(planned, victim);
    const bool killed = planned.kind == FaultKind::kill_instance;
    if (killed) target.signal(SIGKILL);
    else stop_for(target, planned);
    end(fault);
    recovered(fault, wait_serving(killed ? victim.pid : 0));
  }

  void kill_shim(const PlannedFault& planned) {
    const std::lock_guard held(scene_.gate);
    const bool of_worker = planned.victim % 3 == 0;
    const auto child = of_worker ? choose_worker(planned.victim) : choose_instance(planned.victim);
    const auto entry = child.pid == 0 ? std::nullopt : os::process_entry(child.pid);
    if (!entry || entry->parent <= 1 || entry->parent == ::getpid()) return;
    const Target shim(entry->parent);
    if (test::command_line(entry->parent).find("fleet-shim") == std::string::npos) return;
    auto& fault = begin(planned, {entry->parent, of_worker ? "" : child.instance});
    shim.signal(SIGKILL);
    end(fault);
    recovered(fault, of_worker ? wait_workers(child.pid) : wait_serving(child.pid));
  }

  void starve(const PlannedFault& planned) {
    auto& fault = begin(planned, {});
    {
      std::list<test::Program> busy;
      for (unsigned i = 0; i < 2 * std::max(1u, std::thread::hardware_concurrency()); ++i) {
        busy.emplace_back(std::vector<std::string>{"/bin/sh", "-c", "while :; do :; done"}, test::Environment{}, "", "");
      }
      sleep(planned.lasting);
    }
    end(fault);
    recovered(fault, wait_serving(0));
  }

  // ---- who

  Victim choose_worker(std::uint32_t dice) const {
    std::vector<Victim> all;
    const auto status = scene_.status();
    if (!status) return {};
    for (const auto& worker : status->at("workers")) {
      if (worker.at("state") == "accepting") all.push_back({worker.at("pid").get<pid_t>()});
    }
    return all.empty() ? Victim() : all[dice % all.size()];
  }

  // Candidates too, and those that drain.
  Victim choose_instance(std::uint32_t dice) const {
    std::vector<Victim> all;
    const auto status = scene_.status();
    if (!status) return {};
    for (const auto& app : status->at("apps")) {
      for (const auto& instance : app.at("instances")) {
        const auto pid = instance.at("pid").get<pid_t>();
        if (pid != 0 && instance.at("restarts") < kRestartsToSpare) all.push_back({pid, instance.at("id")});
      }
    }
    return all.empty() ? Victim() : all[dice % all.size()];
  }

  // ---- until it is well again

  bool wait_workers(pid_t without) const {
    return test::eventually(kPatience, [&] {
      const auto status = scene_.status();
      unsigned accepting = 0;
      if (!status) return false;
      for (const auto& worker : status->at("workers")) {
        accepting += worker.at("state") == "accepting" && worker.at("pid") != without ? 1 : 0;
      }
      return accepting == kWorkers;
    });
  }
  bool wait_serving(pid_t without) const {
    return test::eventually(kPatience, [&] {
      const auto status = scene_.status();
      if (!status) return false;
      for (const auto& app : status->at("apps")) {
        if (app.at("state") != "serving" || lists(app.at("instances"), without)) return false;
      }
      return true;
    });
  }
  static bool lists(const test::Json& processes, pid_t pid) {
    for (const auto& process : processes) {
      if (pid != 0 && process.at("pid") == pid) return true;
    }
    return false;
  }
  static bool wait_stopped(pid_t pid) {
    return test::eventually(milliseconds(1000), [&] {
      const auto stat = test::read_whole("/proc/" + std::to_string(pid) + "/stat");
      const auto name_end = stat.rfind(')');
      return name_end != std::string::npos && stat.substr(name_end + 2, 1) == "T";
    });
  }

  // ---- the journal

  Fault& begin(const PlannedFault& planned, const Victim& victim) {
    auto& fault = journal_.emplace_back();
    fault.kind = planned.kind;
    fault.at = now_ms();
    fault.pid = victim.pid;
    fault.instance = victim.instance;
    return fault;
  }
  static void end(Fault& fault) { fault.until = now_ms(); }
  static void recovered(Fault& fault, bool so) {
    if (so) fault.recovered_in = now_ms() - fault.until;
    std::fprintf(stderr, "%s %s (pid %lld): %s\n", std::string(name(fault.kind)).c_str(), fault.instance.c_str(),
                 static_cast<long long>(fault.pid),
                 so ? ("well after " + std::to_string(*fault.recovered_in) + " ms").c_str() : "NOT WELL AGAIN");
  }
  static void stop_for(const Target& target, const PlannedFault& planned) {
    target.signal(SIGSTOP);
    sleep(planned.lasting);
    target.signal(SIGCONT);
  }
  static void sleep(milliseconds time) { std::this_thread::sleep_for(time); }

  Scene& scene_;
  FaultPlan plan_;
  std::vector<Fault> journal_;
};

}  // namespace

std::vector<Fault> inject_faults(Scene& scene, FaultPlan plan) { return Injector(scene, std::move(plan)).run(); }

}  // namespace fleet::soak
