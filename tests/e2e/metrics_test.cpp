// What GET /metrics says adds up, whatever comes and goes.
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <sstream>
#include <thread>

#include "expect.hpp"
#include "support/exposition/exposition.hpp"

namespace fleet::test {
namespace {

Exposition scrape(const Fleet& fleet, bool openmetrics = false) {
  const auto response =
      fetch(fleet.api(), "GET", "/metrics", {openmetrics ? "Accept: application/openmetrics-text" : "Accept: */*"});
  if (!response) {
    ADD_FAILURE() << "/metrics: " << response.error().text;
    return {};
  }
  EXPECT_EQ(response->status, 200);
  auto seen = read_exposition(response->body, openmetrics);
  for (const auto& fault : seen.faults) ADD_FAILURE() << fault;
  return seen;
}

double requests_of(const Exposition& seen) { return seen.sum("fleet_requests_total", {"app=\"shop\""}); }

// Scrapes all the time, and finds that no counter goes down.
class Watch {
 public:
  explicit Watch(const Fleet& fleet) : thread_([this, &fleet] { run(fleet); }) {}
  ~Watch() { stop(); }
  int stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return scrapes_;
  }

 private:
  void run(const Fleet& fleet) {
    for (auto last = scrape(fleet); !stopping_; ++scrapes_) {
      auto next = scrape(fleet);
      for (const auto& counter : last.that_went_down_in(next)) ADD_FAILURE() << counter;
      last = std::move(next);
      pause_for(milliseconds(20));
    }
  }
  std::atomic<bool> stopping_ = false;
  std::atomic<int> scrapes_ = 0;
  std::thread thread_;
};

TEST(Metrics, CountEveryRequestThroughADeployTheLossOfAWorkerAndOfFleetd) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = requests_of(scrape(fleet));
  std::uint64_t made = 0;
  const auto load = [&](const auto& meanwhile) {
    Traffic traffic(fleet);
    traffic.flow();
    meanwhile();
    traffic.flow();
    const auto verdict = traffic.stop(400);
    EXPECT_EQ(verdict.text, "");
    made += verdict.load.requests;
  };
  const auto all_counted = [&] {
    double counted = 0;
    EXPECT_TRUE(eventually(milliseconds(3000), [&] {
      counted = requests_of(scrape(fleet)) - before;
      return counted == static_cast<double>(made);
    })) << counted << " counted of " << made;
  };

  Watch watch(fleet);
  load([&] { EXPECT_TRUE(ended(fleet.deploy({"v2"}), kDone)); });
  all_counted();

  const auto victim = fleet.worker_pids().at(0);
  ::kill(victim, SIGKILL);
  ASSERT_TRUE(eventually(milliseconds(10000), [&] {
    const auto workers = fleet.worker_pids();
    return workers.size() == 2 && workers[0] != victim && workers[1] != victim;
  }));
  load([] {});
  all_counted();
  EXPECT_GT(watch.stop(), 20);

  const auto before_restart = scrape(fleet);
  fleet.kill();
  fleet.start();
  const auto after_restart = scrape(fleet);
  EXPECT_EQ(requests_of(after_restart), requests_of(before_restart));
  load([] {});
  all_counted();

  const auto seen = scrape(fleet, true);
  EXPECT_GT(seen.sum("fleet_requests_total", {"release=\"1\""}), 100);
  EXPECT_GT(seen.sum("fleet_requests_total", {"release=\"2\""}), 100);
  EXPECT_EQ(seen.sum("fleet_request_duration_seconds_count", {"app=\"shop\""}), requests_of(seen));
  EXPECT_EQ(seen.at("fleet_app_instances{app=\"shop\",state=\"ready\"}"), 2);
  EXPECT_EQ(seen.at("fleet_workers{state=\"accepting\"}"), 2);
  EXPECT_EQ(seen.at("fleet_ready"), 1);
  EXPECT_EQ(seen.at("fleet_app_release{app=\"shop\"}"), 2);
  EXPECT_GT(seen.sum("fleet_tls_handshakes_total"), 0);
  EXPECT_GT(seen.at("process_resident_memory_bytes"), 1e6);
  EXPECT_EQ(seen.at("fleet_worker_table_generation{slot=\"0\"}"), seen.at("fleet_table_generation"));
}

std::string access_log_of(const Fleet& fleet) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(fleet.root())) {
    if (file.path().filename() == "access.log") return file.path();
  }
  return {};
}

TEST(AccessLog, GoesOnInANewFileWhenLogrotateHasMovedItWithAReloadOrWithout) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto logged = [](const std::string& path, const std::string& what) {
    return eventually(milliseconds(5000), [&] { return read_whole(path).find(what) != std::string::npos; });
  };
  const auto path = access_log_of(fleet);
  ASSERT_NE(path, "");
  (void)fetch(fleet.http(), "GET", "/?before");
  EXPECT_TRUE(logged(path, "/?before"));
  std::filesystem::rename(path, path + "-20261123");
  ASSERT_TRUE(ended(fleet.ctl({"reload"}), kDone));
  ASSERT_TRUE(eventually(milliseconds(5000), [&] {
    (void)fetch(fleet.http(), "GET", "/?after");
    return read_whole(path).find("/?after") != std::string::npos;
  }));
  EXPECT_EQ(read_whole(path).find("/?before"), std::string::npos);

  // Who follows it sees all of that.
  const auto out = fleet.root() + "/followed";
  Program follower({program_path("fleetctl"), "--socket", fleet.api().unix_path, "logs", "--access", "shop", "-f", "-n", "1"}, {}, out, "");
  EXPECT_TRUE(logged(out, "/?after"));
  std::filesystem::rename(path, path + "-20261124");  // and without being told
  EXPECT_TRUE(eventually(milliseconds(15000), [&] {
    (void)fetch(fleet.http(), "GET", "/?later");
    return read_whole(path).find("/?later") != std::string::npos;
  }));
  (void)fetch(fleet.http(), "GET", "/?last");
  EXPECT_TRUE(logged(out, "/?last"));
  follower.signal(SIGINT);
  EXPECT_EQ(follower.wait(milliseconds(5000)), 130);
  std::istringstream lines(read_whole(out));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto entry = Json::parse(line, nullptr, false);
    EXPECT_TRUE(entry.is_object() && entry.at("app") == "shop") << line;
  }
  EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace fleet::test
