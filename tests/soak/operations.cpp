#include "operations.hpp"

#include <cstdio>
#include <filesystem>
#include <thread>

#include "plan.hpp"

namespace fleet::soak {
namespace {

constexpr milliseconds kOfCommands = 2 * kPatience;
enum Exit : int { kDone = 0, kBusy = 3, kUnhealthy = 4, kUnreachable = 8 };

class Operator {
 public:
  Operator(Scene& scene, std::string app, std::uint64_t seed) : scene_(scene), app_(std::move(app)), plan_(seed) {}

  History run(std::atomic<std::int64_t>& deploys_left) {
    while (!scene_.over) {
      const auto planned = plan_.next();
      const bool deploys = planned.operation == Operation::deploy || planned.operation == Operation::deploy_bad ||
                           planned.operation == Operation::deploy_abort;
      if (deploys && deploys_left.fetch_sub(1) <= 0) break;
      perform(planned);
    }
    return std::move(history_);
  }

 private:
  void perform(const PlannedOperation& planned) {
    switch (planned.operation) {
      case Operation::deploy: return deploy(planned);
      case Operation::deploy_bad: return deploy_bad(planned);
      case Operation::deploy_abort: return deploy_abort(planned);
      case Operation::rollback: return change(planned.operation, "rollback");
      case Operation::restart: return change(planned.operation, "restart");
      case Operation::reload:
        scene_.touch_configuration();
        command(planned.operation, {"reload"});
        return;
      case Operation::upgrade: command(planned.operation, {"proxy", "upgrade"}); return;
      case Operation::fleetd_restart: return restart_fleetd();
    }
  }

  void change(Operation operation, const std::string& verb) {
    command(operation, {verb, "--app", app_});
    note_release({});
  }

  void deploy(const PlannedOperation& planned) {
    const auto version = next_version();
    const auto artifact = pack(version, {"start-delay = " + std::to_string(planned.delay.count())});
    const bool done = command(planned.operation, {"deploy", artifact, "--app", app_}, kDone);
    note_release(done ? version : "");  // what has happened to one that was cut off is only seen
    std::filesystem::remove(artifact);
  }

  void deploy_bad(const PlannedOperation& planned) {
    const auto version = next_version();
    const auto artifact = pack(version, {"exit-after = 100", "unhealthy = true"});
    command(planned.operation, {"deploy", artifact, "--app", app_}, kUnhealthy);
    history_.never_served.push_back(version);
    std::filesystem::remove(artifact);
  }

  void deploy_abort(const PlannedOperation& planned) {
    const auto version = next_version();
    const auto artifact = pack(version, {"start-delay = 300"});
    if (command(planned.operation, {"deploy", artifact, "--app", app_, "--no-wait"})) {
      std::this_thread::sleep_for(planned.delay);
      (void)scene_.fleet.ctl({"abort", "--app", app_}, kOfCommands);  // it may be too late
    }
    wait_idle();
    note_release(version);
    std::filesystem::remove(artifact);
  }

  void restart_fleetd() {
    Done done{std::string(name(Operation::fleetd_restart)), app_, "", 0, now_ms()};
    const std::lock_guard held(scene_.gate);
    const auto ran = scene_.fleet.ctl({"shutdown"}, kOfCommands);
    const auto code = scene_.fleet.daemon().wait(kOfCommands);
    scene_.fleet.start(kOfCommands);
    if (code != 0) done.text = "fleetd ended with " + (code ? std::to_string(*code) : "nothing: it runs") + "; ";
    finish(done, ran, code == 0 ? kDone : -1);
  }

  // Asks until fleetd has taken it and nothing else is under way; whether it ended with that code.
  bool command(Operation operation, const std::vector<std::string>& arguments, int expected = kDone) {
    Done done{std::string(name(operation)), app_, "", 0, now_ms()};
    test::Ran ran;
    for (int attempt = 0; attempt < 20; ++attempt) {
      ran = scene_.fleet.ctl(arguments, kOfCommands);
      if (ran.code != kUnreachable && ran.code != kBusy) break;
      wait_idle();
    }
    finish(done, ran, expected);
    return history_.done.back().as_expected;
  }

  void finish(Done done, const test::Ran& ran, int expected) {
    done.code = ran.code;
    done.ended_at = now_ms();
    done.as_expected = ran.code == expected;
    if (!done.as_expected) done.text += ran.err + ran.out;
    std::fprintf(stderr, "%s %s: %d after %lld ms %s\n", app_.c_str(), done.operation.c_str(), done.code,
                 static_cast<long long>(done.ended_at - done.begun_at), done.text.c_str());
    history_.done.push_back(std::move(done));
  }

  test::Json app() const {
    const auto status = scene_.status();
    if (!status) return {};
    for (const auto& one : status->at("apps")) {
      if (one.at("name") == app_) return one;
    }
    return {};
  }

  void wait_idle() const {
    test::eventually(kOfCommands, [this] {
      const auto seen = app();
      return seen.is_object() && seen.at("deployment").is_null();
    });
  }

  // Which version now serves, as fleet says; no other may answer what is asked from now on.
  void note_release(const std::string& version) {
    // A restart of fleetd's own, for a shim that was killed, may have begun at once.
    test::Json seen;
    const bool is_known = test::eventually(kOfCommands, [&] {
      seen = app();
      return seen.is_object() && seen.at("deployment").is_null() && seen.at("release").is_number();
    });
    const auto now = now_ms();
    if (!is_known) return history_.replaced.clear();
    const auto release = seen.at("release").get<std::uint64_t>();
    if (!version.empty()) versions_.try_emplace(release, version);
    for (const auto& [number, known] : versions_) {
      if (number == release) history_.replaced.erase(known);
      else history_.replaced.try_emplace(known, now);
    }
  }

  std::string next_version() { return app_ + "-" + std::to_string(++number_); }

  std::string pack(const std::string& version, std::vector<std::string> conf) const {
    static std::mutex one_at_a_time;
    const std::lock_guard held(one_at_a_time);
    return scene_.fleet.pack({version, std::move(conf)});
  }

  Scene& scene_;
  std::string app_;
  OperationPlan plan_;
  History history_;
  std::map<std::uint64_t, std::string> versions_;  // by release
  unsigned number_ = 0;
};

}  // namespace

History operate(Scene& scene, const std::string& app, std::uint64_t seed, std::atomic<std::int64_t>& deploys_left) {
  return Operator(scene, app, seed).run(deploys_left);
}

}  // namespace fleet::soak
