#include "upstream/router.hpp"

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <set>

namespace fleet::proxy {
namespace {

struct Quiet final : Target::Observer {
  std::vector<std::string> heard;
  void target_quiet(Target& target) override { heard.push_back(target.id); }
};

struct Holder final : ClaimHolder {
  bool gone = false;
  void target_gone() override { gone = true; }
  void target_draining() override {}
};

RouteTable table(std::uint64_t generation, std::vector<std::pair<std::string, TargetState>> targets) {
  RouteTable made;
  made.generation = generation;
  Route route;
  route.app = "shop";
  RouteRelease release;
  release.release = generation;
  std::uint16_t port = 1000;
  for (auto& [id, state] : targets) {
    fleet::Target target;
    target.id = id;
    target.endpoint = {"127.0.0.1", ++port};
    target.state = state;
    release.targets.push_back(target);
  }
  route.releases.push_back(release);
  made.routes.push_back(route);
  return made;
}

class RouterTest : public testing::Test {
 protected:
  TargetPtr choose(std::span<const TargetPtr> tried = {}) {
    const auto match = router.match("h", "/");
    return match && match->route ? router.choose(*match->route, tried, now) : nullptr;
  }
  Quiet observer;
  Router router{observer};
  Clock::time_point now = Clock::now();
};

TEST_F(RouterTest, ChoosesTheTargetWithTheFewestRequestsInFlight) {
  router.swap(table(1, {{"a", TargetState::ready}, {"b", TargetState::ready}}));
  Holder holder;
  std::list<Target::Claim> claims;
  for (int i = 0; i < 10; ++i) claims.emplace_back(choose(), holder);
  EXPECT_EQ(router.targets().at("a")->in_flight(), 5u);
  EXPECT_EQ(router.targets().at("b")->in_flight(), 5u);
}

TEST_F(RouterTest, LetsEqualTargetsTakeTurns) {
  router.swap(table(1, {{"a", TargetState::ready}, {"b", TargetState::ready}}));
  const auto first = choose(), second = choose();
  EXPECT_NE(first, second);
  EXPECT_EQ(choose(), first);
}

TEST_F(RouterTest, NeverChoosesADrainingTarget) {
  router.swap(table(1, {{"a", TargetState::ready}, {"b", TargetState::draining}}));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(choose()->id, "a");
  router.swap(table(2, {{"a", TargetState::draining}, {"b", TargetState::draining}}));
  EXPECT_EQ(choose(), nullptr);
}

TEST_F(RouterTest, PrefersTargetsNotTriedYet) {
  router.swap(table(1, {{"a", TargetState::ready}, {"b", TargetState::ready}}));
  const std::vector tried{router.targets().at("a")};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(choose(tried)->id, "b");
  router.swap(table(2, {{"a", TargetState::ready}}));
  EXPECT_EQ(choose(tried)->id, "a");
}

TEST_F(RouterTest, PassesOverAnEjectedTargetUnlessItIsTheLast) {
  router.swap(table(1, {{"a", TargetState::ready}, {"b", TargetState::ready}}));
  for (unsigned i = 0; i < Limits::kEjectAfter; ++i) router.targets().at("a")->refused(now, std::chrono::seconds(1));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(choose()->id, "b");
  now += std::chrono::seconds(2);
  EXPECT_NE(choose(), choose());
  router.swap(table(2, {{"a", TargetState::ready}}));
  for (unsigned i = 0; i < Limits::kEjectAfter; ++i) router.targets().at("a")->refused(now, std::chrono::seconds(1));
  EXPECT_EQ(choose()->id, "a");
}

TEST_F(RouterTest, NeverLeavesItselfWithoutATargetByEjectingThem) {
  router.swap(table(1, {{"a", TargetState::ready}, {"b", TargetState::ready}}));
  for (const auto* id : {"a", "b"}) {
    for (unsigned i = 0; i < Limits::kEjectAfter; ++i) router.targets().at(id)->refused(now, std::chrono::seconds(1));
  }
  EXPECT_NE(choose(), choose()) << "both, in turn";
}

TEST_F(RouterTest, D5_PassesOverATargetThatFailsWhereTheOthersDoNotForLongerEachTime) {
  const auto three = table(1, {{"a", TargetState::ready}, {"b", TargetState::ready}, {"c", TargetState::ready}});
  router.swap(three);
  const auto note = [&](const char* id, bool failed, int times) {
    const auto match = router.match("h", "/");
    const auto target = router.targets().at(id);
    for (int i = 0; i < times; ++i) router.note_outcome(*match->route, *target, failed, std::chrono::seconds(1), now);
  };
  const auto passes_over = [&](const std::string& id) {
    for (int i = 0; i < 6; ++i) {
      if (choose()->id == id) return false;
    }
    return true;
  };
  note("a", false, 20);
  for (const auto* id : {"b", "c"}) note(id, false, 60);  // enough though half of it may be forgotten on the way
  note("a", true, 2);
  EXPECT_FALSE(passes_over("a"));
  note("a", true, 1);
  EXPECT_TRUE(passes_over("a"));
  now += std::chrono::milliseconds(1001);
  EXPECT_FALSE(passes_over("a")) << "it comes back";
  note("a", true, 3);
  now += std::chrono::milliseconds(1900);
  EXPECT_TRUE(passes_over("a")) << "twice as long";
  note("b", true, 60);
  EXPECT_TRUE(passes_over("b")) << "one is left to compare with";
  note("c", true, 60);
  EXPECT_FALSE(passes_over("c")) << "and there it ends";
  now += std::chrono::minutes(2);
  for (const auto* id : {"a", "b", "c"}) note(id, true, 60);
  for (const auto* id : {"a", "b", "c"}) EXPECT_FALSE(passes_over(id)) << "what fails everywhere ejects nobody";

  auto not_wanted = three;
  not_wanted.generation = 2;
  not_wanted.routes[0].balancing.eject_failing = false;
  router.swap(not_wanted);
  now += std::chrono::minutes(2);
  for (const auto* id : {"b", "c"}) note(id, false, 60);
  note("a", true, 60);
  EXPECT_FALSE(passes_over("a"));
}

TEST_F(RouterTest, GivesTheKeysOfAnEjectedTargetToTheOthersAndBack) {
  auto hashed = table(1, {{"a", TargetState::ready}, {"b", TargetState::ready}, {"c", TargetState::ready}});
  hashed.routes[0].balancing = {Balance::hash, "address", {}};
  for (std::uint32_t i = 0; i < 3; ++i) hashed.routes[0].releases[0].targets[i].index = i;
  router.swap(hashed);
  const auto chosen = [&](std::uint64_t key) {
    const auto match = router.match("h", "/");
    return router.choose(*match->route, {}, now, key)->id;
  };
  std::map<std::uint64_t, std::string> home;
  for (std::uint64_t key = 1; key <= 300; ++key) home[key] = chosen(key);
  for (unsigned i = 0; i < Limits::kEjectAfter; ++i) router.targets().at("b")->refused(now, std::chrono::seconds(1));
  std::set<std::string> heirs;
  for (const auto& [key, id] : home) {
    if (id == "b") heirs.insert(chosen(key));
    else EXPECT_EQ(chosen(key), id);
  }
  EXPECT_EQ(heirs, (std::set<std::string>{"a", "c"}));
  now += std::chrono::seconds(2);
  for (const auto& [key, id] : home) EXPECT_EQ(chosen(key), id);
}

TEST_F(RouterTest, GivesTheSuccessorOfAnInstanceItsKeys) {
  auto before = table(1, {{"a-1", TargetState::ready}, {"b-2", TargetState::ready}});
  before.routes[0].balancing = {Balance::hash, "address", {}};
  before.routes[0].releases[0].targets[1].index = 1;
  auto after = before;
  after.generation = 2;
  after.routes[0].releases[0].targets[1].id = "b-3";
  router.swap(before);
  const auto chosen = [&](std::uint64_t key) {
    const auto match = router.match("h", "/");
    return router.choose(*match->route, {}, now, key)->id.substr(0, 1);
  };
  std::map<std::uint64_t, std::string> home;
  for (std::uint64_t key = 1; key <= 100; ++key) home[key] = chosen(key);
  router.swap(after);
  for (const auto& [key, id] : home) EXPECT_EQ(chosen(key), id);
}

TEST_F(RouterTest, ReportsADrainingTargetWhenItsLastClaimEnds) {
  router.swap(table(1, {{"a", TargetState::ready}}));
  Holder holder;
  {
    Target::Claim one(choose(), holder), two(choose(), holder);
    router.swap(table(2, {{"a", TargetState::draining}}));
    EXPECT_TRUE(observer.heard.empty());
  }
  EXPECT_EQ(observer.heard, std::vector<std::string>{"a"});
}

TEST_F(RouterTest, TellsClaimsOfATargetThatLeftTheTable) {
  router.swap(table(1, {{"a", TargetState::ready}}));
  Holder holder;
  {
    Target::Claim claim(choose(), holder);
    router.swap(table(2, {{"b", TargetState::ready}}));
    EXPECT_TRUE(holder.gone);
    router.forget_gone();
    EXPECT_TRUE(router.targets().contains("a")) << "its figures are still moving";
  }
  router.forget_gone();
  EXPECT_FALSE(router.targets().contains("a"));
}

TEST_F(RouterTest, KeepsFiguresOfATargetAcrossTables) {
  router.swap(table(1, {{"a", TargetState::ready}}));
  router.targets().at("a")->requests = 5;
  router.swap(table(2, {{"a", TargetState::draining}}));
  EXPECT_EQ(router.targets().at("a")->stats().requests, 5u);
}

}  // namespace
}  // namespace fleet::proxy
