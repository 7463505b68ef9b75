// Which instance gets a request, over TCP and over unix sockets.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <map>
#include <set>

#include "client.hpp"
#include "origin.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

using namespace std::chrono_literals;

class BalanceTest : public testing::Test {
 protected:
  BalanceTest() {
    for (const auto* name : {"a", "b", "c"}) origins.emplace_back(always(name));
  }
  Route route(std::size_t count = 3) {
    std::vector<Instance> instances;
    std::size_t i = 0;
    for (const auto& origin : origins) {
      if (i == count) break;
      instances.push_back({std::string(1, static_cast<char>('a' + i++)), origin.port()});
    }
    return route_to(instances);
  }
  std::map<std::string, int> taken(int requests, const std::string& fields = "") {
    std::map<std::string, int> counts;
    Client client(slot.http);
    for (int i = 0; i < requests; ++i) ++counts[client.get("/", "shop.test", fields).body];
    return counts;
  }
  Slot slot;
  std::list<Origin> origins;
  WorkerProcess worker;
};

TEST_F(BalanceTest, TakesTurns) {
  auto turns = route();
  turns.balancing.by = Balance::round_robin;
  worker.start(slot, {turns});
  Client client(slot.http);
  std::string order;
  for (int i = 0; i < 9; ++i) order += client.get("/").body;
  EXPECT_EQ(order.substr(0, 3), order.substr(3, 3));
  EXPECT_EQ(order.substr(0, 3), order.substr(6, 3));
  EXPECT_EQ(std::set<char>(order.begin(), order.begin() + 3).size(), 3u) << order;
}

TEST_F(BalanceTest, HashesByAHeader) {
  auto hashed = route();
  hashed.balancing = {Balance::hash, "header:x-user", 0ms};
  worker.start(slot, {hashed});
  std::map<std::string, int> users;
  std::map<int, std::string> home;
  for (int user = 0; user < 60; ++user) {
    const auto counts = taken(3, "X-User: " + std::to_string(user) + "\r\n");
    EXPECT_EQ(counts.size(), 1u) << "user " << user << " met more than one instance";
    home[user] = counts.begin()->first;
    ++users[home[user]];
  }
  EXPECT_EQ(users.size(), 3u);
  // One leaves: only its users move, and to both of the others.
  auto fewer = hashed;
  fewer.releases.at(0).targets.at(1).state = TargetState::draining;
  worker.publish({fewer});
  std::map<std::string, int> inherited;
  for (int user = 0; user < 60; ++user) {
    const auto now = taken(1, "X-User: " + std::to_string(user) + "\r\n").begin()->first;
    if (home[user] == "b") ++inherited[now];
    else EXPECT_EQ(now, home[user]);
  }
  EXPECT_EQ(inherited.size(), 2u);
}

TEST_F(BalanceTest, HashesByACookieAndSharesOutWhatHasNone) {
  auto hashed = route();
  hashed.balancing = {Balance::hash, "cookie:session", 0ms};
  worker.start(slot, {hashed});
  EXPECT_EQ(taken(6, "Cookie: theme=dark; session=tom\r\n"), taken(6, "Cookie: session=tom; theme=light\r\n"));
  EXPECT_EQ(taken(6, "Cookie: theme=dark\r\n").size(), 3u);
}

TEST_F(BalanceTest, HashesByTheClientsAddress) {
  auto hashed = route();
  hashed.balancing = {Balance::hash, "address", 0ms};
  worker.start(slot, {hashed});
  const auto first = taken(5);
  EXPECT_EQ(first.size(), 1u);
  EXPECT_EQ(taken(5), first);
}

TEST_F(BalanceTest, HashingNeverCostsARequestWhenItsInstanceHasCrashed) {
  auto hashed = route();
  hashed.balancing = {Balance::hash, "header:x-user", 0ms};
  worker.start(slot, {hashed});
  std::next(origins.begin())->stop_listening();
  for (int user = 0; user < 30; ++user) {
    EXPECT_EQ(Client(slot.http).get("/", "shop.test", "X-User: " + std::to_string(user) + "\r\n").status, 200);
  }
}

TEST_F(BalanceTest, BeginsWithASmallShareOfWhatComesToOthers) {
  auto slow = route(2);
  slow.balancing = {Balance::round_robin, "", 60s};
  worker.start(slot, {slow});
  EXPECT_EQ(taken(20), (std::map<std::string, int>{{"a", 10}, {"b", 10}})) << "the first ones take all there is";
  auto more = route(3);
  more.balancing = slow.balancing;
  worker.publish({more});
  const auto counts = taken(105);
  EXPECT_GE(counts.at("c"), 4);
  EXPECT_LE(counts.at("c"), 8) << "a tenth of what each of the others gets";
}

TEST_F(BalanceTest, SharesAlikeWithThoseThatStartedTogether) {
  auto old = route(2);
  old.balancing = {Balance::round_robin, "", 60s};
  worker.start(slot, {old});
  auto fresh = route_to({{"c", origins.back().port()}, {"d", origins.front().port()}});
  fresh.balancing = old.balancing;
  for (auto& target : old.releases.at(0).targets) target.state = TargetState::draining;
  old.releases.at(0).accepts = Accepts::nobody;
  fresh.releases.push_back(old.releases.at(0));
  worker.publish({fresh});
  EXPECT_EQ(taken(20), (std::map<std::string, int>{{"c", 10}, {"a", 10}})) << "a whole new release at once";
}

// ---- D5: one of three

// Answers as `always`, but each n-th request of all with 500.
Origin::Handler failing(std::string body, unsigned each) {
  return [body = std::move(body), each, count = std::make_shared<std::atomic<unsigned>>()](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      if (!connection.answer(body, "", ++*count % each == 0 ? 500 : 200)) return;
    }
  };
}

TEST_F(BalanceTest, D5_OneThatAnswersNothingButErrorsIsLeftOut) {
  const Origin broken(failing("b", 1));
  auto three = route_to({{"a", origins.front().port()}, {"b", broken.port()}, {"c", origins.back().port()}});
  worker.start(slot, {three});
  const auto counts = taken(300);
  EXPECT_GE(counts.at("b"), 3);
  EXPECT_LE(counts.at("b"), 12) << "as soon as there is something to compare it with";
}

TEST_F(BalanceTest, D5_OneThatAnswersNothingButErrorsIsLeftInWhereThatIsWanted) {
  const Origin broken(failing("b", 1));
  auto three = route_to({{"a", origins.front().port()}, {"b", broken.port()}, {"c", origins.back().port()}});
  three.balancing.eject_failing = false;
  worker.start(slot, {three});
  EXPECT_EQ(taken(90).at("b"), 30);
}

TEST_F(BalanceTest, D5_OneThatFailsEveryTenthTimeIsLeftOutAfterThree) {
  const Origin flaky(failing("b", 10));
  worker.start(slot, {route_to({{"a", origins.front().port()}, {"b", flaky.port()}, {"c", origins.back().port()}})});
  const auto counts = taken(200);
  EXPECT_GE(counts.at("b"), 20);
  EXPECT_LE(counts.at("b"), 45) << "of 67 otherwise";
}

TEST_F(BalanceTest, D5_WhatFailsEverywhereIsSharedOutAsBefore) {
  std::list<Origin> all;
  for (const auto* name : {"a", "b", "c"}) all.emplace_back(failing(name, 1));
  worker.start(slot, {route_to({{"a", all.front().port()}, {"b", std::next(all.begin())->port()}, {"c", all.back().port()}})});
  const auto counts = taken(90);
  for (const auto* name : {"a", "b", "c"}) EXPECT_GE(counts.at(name), 25) << name;
}

// ---- unix sockets

class UnixTest : public testing::Test {
 protected:
  UnixTest() {
    char made[] = "/tmp/fleet-unix-test-XXXXXX";
    dir = ::mkdtemp(made);
  }
  ~UnixTest() override { std::filesystem::remove_all(dir); }
  std::string dir;
  Slot slot;
  WorkerProcess worker;
};

TEST_F(UnixTest, TalksToAnInstanceOnAUnixSocket) {
  Origin origin(always("over a socket"), dir + "/a");
  worker.start(slot, {route_to({{"a", 0, TargetState::ready, dir + "/a"}})});
  Client client(slot.http);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.get("/").body, "over a socket");
  EXPECT_EQ(client.post("/", std::string(200'000, 'x')).body, "over a socket");
  EXPECT_LE(origin.connections(), 2) << "they are pooled";
  worker.logged("unix:" + dir + "/a");
}

TEST_F(UnixTest, R1TakesAnotherWhenASocketIsStaleOrNotThere) {
  { const Origin ended(always(""), dir + "/stale"); }
  Origin origin(always("alive"), dir + "/alive");
  worker.start(slot, {route_to({{"stale", 0, TargetState::ready, dir + "/stale"},
                                {"none", 0, TargetState::ready, dir + "/none"},
                                {"alive", 0, TargetState::ready, dir + "/alive"}})});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Client(slot.http).post("/", "x").body, "alive");
}

TEST_F(UnixTest, WaitsWhileTheQueueOfASocketIsFull) {
  os::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (dir + "/full").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  worker.start(slot, {route_to({{"full", 0, TargetState::ready, dir + "/full"}})});
  Client one(slot.http), two(slot.http);
  one.send("GET /1 HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_TRUE(one.quiet(50));
  two.send("GET /2 HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_TRUE(two.quiet(150));
  for (auto* client : {&one, &two}) {
    OriginConnection connection(os::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    OriginConnection::Request request;
    ASSERT_TRUE(connection.read_request(request));
    EXPECT_TRUE(connection.answer("in the end"));
    EXPECT_EQ(client->read_answer().body, "in the end");
  }
}

TEST_F(UnixTest, P10RewritesRedirectsOfAnApplicationThatHasNoPort) {
  Origin origin(
      [](OriginConnection& connection) {
        OriginConnection::Request request;
        if (connection.read_request(request)) connection.answer("", "Location: http://localhost/next\r\n", 302);
        if (connection.read_request(request)) connection.answer("", "Location: http://shop.test/next\r\n", 302);
      },
      dir + "/a");
  worker.start(slot, {route_to({{"a", 0, TargetState::ready, dir + "/a"}})});
  Client client(slot.https, Client::Tls{"shop.test"});
  EXPECT_EQ(client.get("/").field("Location"), "https://shop.test/next");
  EXPECT_EQ(client.get("/").field("Location"), "https://shop.test/next");
}

}  // namespace
}  // namespace fleet::test
