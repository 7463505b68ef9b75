// Requests that wait: for a target, or because the app is held.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "client.hpp"
#include "origin.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

using namespace std::chrono_literals;

// No target now, but one is to come.
Route awaited(const std::vector<Instance>& instances = {}) {
  auto route = route_to(instances);
  route.awaited = true;
  return route;
}

Route held(Route route, std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  route.held_until = std::chrono::duration_cast<std::chrono::milliseconds>(until.time_since_epoch());
  return route;
}

// So many clients, each with a request under way.
std::list<Client> ask(const Slot& slot, int count) {
  std::list<Client> clients;
  for (int i = 0; i < count; ++i) {
    clients.emplace_back(slot.http).send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  }
  return clients;
}

// Until the worker says that so many wait.
bool waits_for(WorkerProcess& worker, std::uint32_t count) {
  return worker.comes_to([&](const wire::Stats& stats) { return stats.held == count; });
}

TEST(ProxyHold, WaitsForAnAppWithoutAnyInstance) {
  Slot slot;
  Origin origin(always("late"));
  WorkerProcess worker;
  worker.start(slot, {awaited()});
  auto clients = ask(slot, 1);
  ASSERT_TRUE(waits_for(worker, 1));
  worker.publish({awaited({{"a", origin.port()}})});
  EXPECT_EQ(clients.front().read_answer().body, "late");
  EXPECT_EQ(worker.stats_of("a").held, 1u);
}

TEST(ProxyHold, LetsAllGoInOrderAndFewAtATime) {
  Slot slot;
  std::atomic<int> now = 0, most = 0, first = -1;
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      int none = -1;
      first.compare_exchange_strong(none, std::stoi(request.line().substr(5)));
      most = std::max<int>(most, ++now);
      std::this_thread::sleep_for(5ms);
      --now;
      connection.answer("ok");
    }
  });
  WorkerProcess worker;
  worker.start(slot, {awaited()});
  auto clients = ask(slot, 1);
  ASSERT_TRUE(waits_for(worker, 1));
  auto others = ask(slot, 150);
  ASSERT_TRUE(waits_for(worker, 151));
  worker.publish({awaited({{"a", origin.port()}})});
  for (auto& client : clients) EXPECT_EQ(client.read_answer().status, 200);
  for (auto& client : others) EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_LT(first, 16) << "not of the first handful";  // within which the origin's threads race
  EXPECT_LT(most, 75) << "the target that has just started got everything at once";
  EXPECT_EQ(worker.stats_of("a").held, 151u);
}

TEST(ProxyHold, AnswersThoseBeyondItsLimitAtOnce) {
  Slot slot;
  WorkerProcess worker;
  auto route = awaited();
  route.hold.max_requests = 2;
  worker.start(slot, {route});
  auto clients = ask(slot, 2);
  ASSERT_TRUE(waits_for(worker, 2));
  const auto answer = Client(slot.http).get("/");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("X-Fleet-Error"), "no-target");
  EXPECT_EQ(answer.field("Retry-After"), "1");
  clients.front().reset();  // who leaves gives up its place
  ASSERT_TRUE(waits_for(worker, 1));
  auto more = ask(slot, 1);
  EXPECT_TRUE(waits_for(worker, 2));
}

TEST(ProxyHold, HoldsOnPurposeUntilItIsLifted) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  const auto route = route_to({{"a", origin.port()}});
  worker.start(slot, {held(route, 60s)});
  auto clients = ask(slot, 20);
  ASSERT_TRUE(waits_for(worker, 20));
  EXPECT_EQ(worker.stats_of("a").requests, 0u);
  worker.publish({route});
  for (auto& client : clients) EXPECT_EQ(client.read_answer().status, 200);
}

TEST(ProxyHold, EndsAHoldOnPurposeByItselfThoughItsSupervisorIsGone) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  const auto route = route_to({{"a", origin.port()}});
  worker.start(slot, {route});
  worker.publish({held(route, 300ms)});
  worker.hang_up();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(Client(slot.http).get("/").status, 200);
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GT(took, 200ms);
  EXPECT_LT(took, 5s);
}

TEST(ProxyHold, AnswersTheChosenPathsItselfMeanwhile) {
  Slot slot;
  Origin origin(always("the app's own"));
  WorkerProcess worker;
  auto route = route_to({{"a", origin.port()}});
  route.hold.answer = {"/healthz"};
  worker.start(slot, {held(route, 60s)});
  Client client(slot.http);
  const auto answer = client.get("/healthz?from=balancer");
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body, "the app's own");
  auto others = ask(slot, 1);
  EXPECT_TRUE(waits_for(worker, 1));
  worker.publish({route});
  EXPECT_EQ(client.get("/healthz").body, "the app's own");
  EXPECT_EQ(others.front().read_answer().body, "the app's own");
}

TEST(ProxyHold, D2RoutesThoseThatWaitByTheTableThatIsThen) {
  Slot slot;
  Origin shop(always("shop")), blog(always("blog"));
  WorkerProcess worker;
  worker.start(slot, {awaited()});
  auto clients = ask(slot, 1);
  ASSERT_TRUE(waits_for(worker, 1));
  auto elsewhere = awaited();
  elsewhere.hosts = {"other.test"};
  worker.publish({elsewhere, route_to({{"b", blog.port()}}, "blog")});
  EXPECT_EQ(clients.front().read_answer().body, "blog");
}

TEST(ProxyHold, Answers503WhenTheAppIsRemovedMeanwhile) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {awaited()});
  auto clients = ask(slot, 1);
  ASSERT_TRUE(waits_for(worker, 1));
  worker.publish({});
  EXPECT_EQ(clients.front().read_answer().status, 503);
}

TEST(ProxyHold, KeepsOnesBodyAndSendsIt) {
  Slot slot;
  std::string got;
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    if (connection.read_request(request)) got = request.body;
    connection.answer("ok");
  });
  WorkerProcess worker;
  worker.start(slot, {awaited()});
  Client client(slot.http);
  const std::string body(300'000, 'b');  // more than is kept for it
  std::thread sender([&] {
    client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  });
  ASSERT_TRUE(waits_for(worker, 1));
  worker.publish({awaited({{"a", origin.port()}})});
  sender.join();
  EXPECT_EQ(client.read_answer().body, "ok");
  EXPECT_EQ(got, body);
}

TEST(ProxyHold, R1KeepsNobodyWaitingForThreeThatRefuseWhileAFourthDoesNot) {
  Slot slot;
  std::vector<Instance> instances;
  for (const auto* id : {"a", "b", "c"}) instances.push_back({id, Origin(always("")).port()});
  Origin origin(always("alive"));
  instances.push_back({"d", origin.port()});
  WorkerProcess worker;
  worker.start(slot, {awaited(instances)});
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Client(slot.http).post("/", "x").body, "alive");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
}

// A target that refuses, and is said to be ready: it has just crashed, and its successor is not there yet.
TEST(ProxyHold, R9CountsNobodyWhoWaitsAsARetry) {
  Slot slot;
  std::uint16_t nobody = 0;
  { nobody = Origin(always("")).port(); }
  std::atomic<int> asked = 0;
  Origin flaky([&](OriginConnection& connection) {  // ends each first connection after its request
    OriginConnection::Request request;
    if (!connection.read_request(request)) return;
    if (asked++ % 2 == 0) return;
    connection.answer("ok", "Connection: close\r\n");
  });
  WorkerProcess worker;
  auto blog = route_to({{"b", flaky.port()}}, "blog");
  blog.hosts = {"blog.test"};
  worker.start(slot, {awaited({{"crashed", nobody}}), blog});
  auto clients = ask(slot, 30);
  ASSERT_TRUE(waits_for(worker, 30));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Client(slot.http).get("/", "blog.test").status, 200) << "its one retry";
  Origin origin(always("back"));
  worker.publish({awaited({{"back", origin.port()}}), blog});
  for (auto& client : clients) EXPECT_EQ(client.read_answer().body, "back");
}

// It dies with twelve requests, of which three may be sent again at once.
TEST(ProxyHold, R9SendsThoseOverTheBudgetAfterTheOthers) {
  constexpr int kClients = 12;
  Slot slot;
  std::atomic<int> asked = 0, at_once = 0, most = 0;
  Origin origin([&](OriginConnection& connection) {
    OriginConnection::Request request;
    if (!connection.read_request(request)) return;
    if (asked++ < kClients) {
      while (asked < kClients) std::this_thread::sleep_for(1ms);
      return;
    }
    const int now = ++at_once;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
    for (const auto until = std::chrono::steady_clock::now() + 30ms; std::chrono::steady_clock::now() < until;) {
      std::this_thread::sleep_for(1ms);  // so that those that are sent at once are here at once
    }
    --at_once;
    connection.answer("alive", "Connection: close\r\n");
  });
  WorkerProcess worker;
  worker.start(slot, {awaited({{"a", origin.port()}})});
  auto clients = ask(slot, kClients);
  for (auto& client : clients) EXPECT_EQ(client.read_answer().body, "alive");
  EXPECT_LE(most, 3);
  EXPECT_EQ(asked, 2 * kClients);
}

TEST(ProxyHold, SaysInTheLogHowLongARequestWaited) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.start(slot, {awaited()});
  auto clients = ask(slot, 1);
  ASSERT_TRUE(waits_for(worker, 1));
  worker.publish({awaited({{"a", origin.port()}})});
  clients.front().read_answer();
  worker.logged("held");
}

}  // namespace
}  // namespace fleet::test
