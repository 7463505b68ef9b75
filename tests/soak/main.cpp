// soak: a whole fleet under endless load, while everything that may happen to it happens.
#include <gtest/gtest.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <future>
#include <iostream>

#include "account.hpp"
#include "core/json.hpp"
#include "faults.hpp"
#include "operations.hpp"
#include "scene.hpp"

namespace fleet::soak {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::int64_t deploys = 100;
  std::string faults = "all";
  unsigned seconds = 0;  // 0: until the deploys are done
  std::uint64_t seed = 0;
  unsigned rate = 250;
  bool json = false;
};

std::atomic<bool> interrupted = false;

void say(const std::string& text) { std::fprintf(stderr, "==> %s\n", text.c_str()); }

test::TrafficSetup traffic_setup(const Scene& scene, unsigned rate) {
  test::TrafficSetup setup;
  setup.urls = scene.urls();
  setup.keep_alive = 12;
  setup.per_request = 4;
  setup.http2 = 2;
  setup.websockets = 4;
  setup.rate = rate;
  setup.slow_percent = 3;
  setup.stream_percent = 2;
  setup.mark = true;
  setup.connect_to = "127.0.0.1";
  return setup;
}

// As many releases as are kept, workers that have had traffic: what a fleet holds that has been up for a while.
void warm_up(Scene& scene, unsigned rate) {
  scene.fleet.start(kPatience);
  for (int round = 0; round < 4; ++round) {
    for (const auto& app : scene.apps) {
      const auto artifact = scene.fleet.pack({app + "-before-" + std::to_string(round)});
      const auto ran = scene.fleet.ctl({"deploy", artifact, "--app", app});
      if (ran.code != 0) throw std::runtime_error("the first deploys do not succeed: " + ran.err);
      fs::remove(artifact);
    }
  }
  test::Traffic traffic(scene.fleet, traffic_setup(scene, rate));
  traffic.flow(rate * 2);
  const auto verdict = traffic.stop(1);
  if (!verdict.text.empty()) throw std::runtime_error("the load fails without any fault: " + verdict.text);
}

// What was open for the load's sake is closed within seconds: pooled connections, former workers.
Census census_at_rest(const Scene& scene) {
  scene.wait_well(2 * kPatience);
  Census last = take_census(scene.fleet);
  int unchanged = 0;
  test::eventually(milliseconds(20000), [&] {
    test::pause_for(milliseconds(1000));
    const auto now = take_census(scene.fleet);
    unchanged = now.worker_files == last.worker_files && now.processes == last.processes ? unchanged + 1 : 0;
    last = now;
    return unchanged == 5;
  });
  return last;
}

std::vector<Holding> holdings_since(const Census& before, const Scene& scene) {
  std::vector<Holding> rows;
  test::eventually(milliseconds(45000), [&] {
    rows = compare(before, take_census(scene.fleet));
    const bool leaks = std::ranges::any_of(rows, &Holding::leaks);
    if (leaks) test::pause_for(milliseconds(1000));
    return !leaks;
  });
  return rows;
}

std::map<std::string, LoggedRequest> logged_requests(const Scene& scene, const test::LoadReport& load) {
  std::set<std::string> wanted;
  for (const auto& incident : load.incidents) wanted.insert(incident.mark);
  std::map<std::string, LoggedRequest> found;
  if (wanted.empty()) return found;
  for (const auto& entry : fs::recursive_directory_iterator(scene.fleet.root() + "/state/log")) {
    if (entry.path().filename().string().starts_with("access.log")) {
      read_access_log(test::read_whole(entry.path()), wanted, found);
    }
  }
  return found;
}

void wait_for_end(Scene& scene, const Options& options, const std::vector<std::future<History>>& operators,
                  const test::Traffic& traffic) {
  const auto until = now_ms() + std::int64_t{options.seconds} * 1000;
  const auto all_done = [&] {
    return std::ranges::all_of(operators, [](const auto& one) {
      return one.wait_for(std::chrono::milliseconds(0)) == std::future_status::ready;
    });
  };
  for (auto told = now_ms(); !all_done() && !interrupted && (options.seconds == 0 || now_ms() < until);) {
    test::pause_for(milliseconds(100));
    if (now_ms() - told < 10'000) continue;
    told = now_ms();
    const auto progress = traffic.progress();
    say(std::to_string(progress.requests) + " requests, " + std::to_string(progress.failed) + " failed");
  }
  scene.over = true;
}

Account soak(Scene& scene, const Options& options, const std::vector<FaultKind>& kinds) {
  Account account;
  account.seed = options.seed;
  account.faults_asked = options.faults;
  warm_up(scene, options.rate);
  const auto before = census_at_rest(scene);
  const auto begun = now_ms();

  test::Traffic traffic(scene.fleet, traffic_setup(scene, options.rate));
  traffic.flow(100);
  std::atomic<std::int64_t> deploys_left = options.deploys;
  std::vector<std::future<History>> operators;
  for (std::size_t i = 0; i < scene.apps.size(); ++i) {
    operators.push_back(std::async(std::launch::async, [&, i] {
      return operate(scene, scene.apps[i], options.seed + 1 + i, deploys_left);
    }));
  }
  std::future<std::vector<Fault>> injector;
  if (!kinds.empty()) {
    injector = std::async(std::launch::async, [&] { return inject_faults(scene, FaultPlan(options.seed, kinds)); });
  }
  wait_for_end(scene, options, operators, traffic);
  std::vector<History> histories;
  std::vector<Fault> faults;
  // What goes wrong so badly that it cannot be gone on with is a finding like others, and all else is still told.
  const auto finding = [&](const auto& work) {
    try {
      work();
    } catch (const std::exception& error) {
      account.left.push_back(error.what());
    }
  };
  for (auto& one : operators) finding([&] { histories.push_back(one.get()); });
  if (injector.valid()) finding([&] { faults = injector.get(); });
  finding([&] {
    if (!scene.wait_well(2 * kPatience)) account.left.push_back("not well: " + scene.fleet.status().dump());
    traffic.flow(100);
  });
  const auto verdict = traffic.stop(1, milliseconds(120000));
  account.seconds = static_cast<double>(now_ms() - begun) / 1000;
  test::pause_for(milliseconds(300));  // until the last lines of access logs are written
  add_load(account, verdict, logged_requests(scene, verdict.load), faults);
  add_faults(account, faults);
  for (const auto& history : histories) add_history(account, history, faults, verdict.load);
  finding([&] { account.holdings = holdings_since(before, scene); });
  if (const auto death = scene.fleet.death(); !death.empty()) account.left.push_back("of itself: " + death);
  if (const auto left = scene.fleet.shutdown(); !left.empty()) account.left.push_back(left);
  return account;
}

int run(const Options& options) {
  const auto kinds = parse_faults(options.faults);
  if (!kinds) {
    std::cerr << "soak: " << kinds.error().text << '\n';
    return 2;
  }
  say("seed " + std::to_string(options.seed));
  Scene scene;
  const auto account = soak(scene, options, *kinds);
  std::cout << (options.json ? json::write(account).dump(2) + "\n" : to_text(account)) << std::flush;
  if (!account.is_good()) {
    ::setenv("FLEET_KEEP", "1", 1);
    say("FAILED; its configuration, logs and ledgers are in " + scene.fleet.root());
  }
  return account.is_good() ? 0 : 1;
}

}  // namespace
}  // namespace fleet::soak

int main(int argc, char** argv) {
  using namespace fleet::soak;
  Options options;
  options.seed = static_cast<std::uint64_t>(now_ms() % 1'000'000);
  CLI::App cli("A fleet under endless load while deploys, upgrades and faults follow each other.", "soak");
  cli.add_option("--deploys", options.deploys, "so many, of both apps together");
  cli.add_option("--faults", options.faults, "all, none, or of: kill-fleetd kill-worker kill-instance kill-shim stop-fleetd "
                                             "stop-worker stop-instance starve, between commas");
  cli.add_option("--seconds", options.seconds, "at most so long; 0: until the deploys are done");
  cli.add_option("--seed", options.seed, "of what will be done; that of an earlier run does the same again");
  cli.add_option("--rate", options.rate, "requests per second")->take_last();
  cli.add_flag("--json", options.json, "what came of it as JSON");
  CLI11_PARSE(cli, argc, argv);
  ::signal(SIGINT, [](int) { interrupted = true; });
  ::signal(SIGTERM, [](int) { interrupted = true; });
  try {
    const int code = run(options);
    return ::testing::Test::HasFailure() ? 1 : code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soak: %s\n", error.what());
    return 1;
  }
}
