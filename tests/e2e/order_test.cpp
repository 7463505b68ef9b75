// Apps that depend on each other, when the machine was restarted and when all is stopped.
#include <signal.h>

#include <future>

#include "expect.hpp"

namespace fleet::test {
namespace {

DemoApp demo(std::string name, unsigned instances, std::vector<std::string> lines) {
  DemoApp app;
  app.name = std::move(name);
  app.instances = instances;
  app.lines = std::move(lines);
  return app;
}

// "shop" depends on "db"; "other" on nobody.
FleetSetup three_apps(const std::string& start_wait) {
  FleetSetup setup;
  setup.demo_apps = {demo("shop", 2, {"depends_on = [\"db\"]", "start_wait = \"" + start_wait + "\""}),
                     demo("db", 1, {"hosts = [\"db.test\"]", "env = { DEMO_START_DELAY = \"0\" }"}),
                     demo("other", 1, {"hosts = [\"other.test\"]"})};
  return setup;
}

void deploy_all(const Fleet& fleet, const Build& shop = {"v1"}) {
  for (const auto* app : {"db", "other"}) ASSERT_TRUE(ended(fleet.deploy({"v1"}, {"--app", app}), kDone));
  ASSERT_TRUE(ended(fleet.deploy(shop, {"--app", "shop"}), kDone));
}

void change(const Fleet& fleet, const std::string& from, const std::string& to) {
  auto text = read_whole(fleet.config_path());
  const auto at = text.find(from);
  ASSERT_NE(at, std::string::npos);
  write_whole(fleet.config_path(), text.replace(at, from.size(), to));
}

// Its place in what was told; the end: it was not.
std::size_t place(const std::string& events, const std::string& type, const std::string& app) {
  for (std::size_t at = 0; (at = events.find(" " + type + " ", at)) != std::string::npos; ++at) {
    const auto line = events.rfind('\n', at) + 1;
    if (events.substr(line, at - line).find(" " + app + " ") != std::string::npos) return line;
  }
  return std::string::npos;
}

bool alive(pid_t pid) { return ::kill(pid, 0) == 0; }

TEST(Order, C4_AfterARebootAnAppStartsOnceThoseItDependsOnAreReady) {
  Fleet fleet(three_apps("30s"));
  fleet.start();
  deploy_all(fleet);
  const auto seen = fleet.get("/v1/events").at("events").back().at("seq").get<std::uint64_t>();
  fleet.reboot();
  change(fleet, "DEMO_START_DELAY = \"0\"", "DEMO_START_DELAY = \"700\"");
  fleet.start(milliseconds(30000));
  EXPECT_EQ(version_at(fleet.http()), "v1");
  const auto told = fleet.ctl({"events", "--since", std::to_string(seen)}).out;
  EXPECT_LT(place(told, "app.waits", "shop"), place(told, "instance.started", "db")) << told;
  EXPECT_LT(place(told, "instance.ready", "db"), place(told, "instance.started", "shop")) << told;
  EXPECT_LT(place(told, "instance.ready", "other"), place(told, "instance.ready", "db")) << told;
  EXPECT_EQ(place(told, "app.starts_anyway", "shop"), std::string::npos) << told;
  EXPECT_TRUE(settled(fleet));
}

TEST(Order, C4_AfterARebootAnAppThatNeverBecomesReadyDelaysOnlyThoseThatDependOnItAndThoseForABoundedTime) {
  Fleet fleet(three_apps("4s"));
  fleet.start();
  deploy_all(fleet);
  fleet.reboot();
  change(fleet, "DEMO_START_DELAY = \"0\"", "DEMO_EXIT_CODE = \"7\"");
  fleet.launch();
  const auto held = std::async(std::launch::async, [&] {
    std::string version;
    (void)eventually(milliseconds(20000), [&] { return (version = version_at(fleet.http())) == "v1"; });
    return version;
  });
  Json shop;
  ASSERT_TRUE(eventually(milliseconds(15000), [&] {
    const auto ran = fleet.ctl({"status", "--json"});
    if (ran.code != 0) return false;
    const auto apps = Json::parse(ran.out).at("apps");
    bool other_serves = false;
    for (const auto& app : apps) {
      if (app.at("name") == "other") other_serves = app.at("state") == "serving";
      if (app.at("name") == "shop") shop = app;
    }
    return other_serves;
  }));
  EXPECT_EQ(shop.at("awaits"), Json::parse(R"(["db"])")) << "the other is served while this one waits";
  EXPECT_EQ(shop.at("state"), "starting");
  EXPECT_NE(fleet.ctl({"status"}).out.find("shop: not started yet, waits for db\n"), std::string::npos);
  fleet.wait_ready(milliseconds(30000));
  EXPECT_TRUE(settled(fleet));
  EXPECT_EQ(held.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(version_at(fleet.http()), "v1");
  EXPECT_NE(fleet.ctl({"events"}).out.find("shop is started though db is not ready after 4s"), std::string::npos);
  EXPECT_EQ(fleet.app("db").at("state"), "down");
}

TEST(Order, AllAreStoppedBeforeThoseThatTheyDependOn) {
  Fleet fleet(three_apps("30s"));
  fleet.start();
  deploy_all(fleet, {"v1", {"stop-delay = 700"}});
  const auto db = fleet.instance_pids("db"), shop = fleet.instance_pids("shop");
  ASSERT_EQ(db.size(), 1u);
  ASSERT_EQ(shop.size(), 2u);
  auto left = std::async(std::launch::async, [&] { return fleet.shutdown(); });
  ASSERT_TRUE(eventually(milliseconds(20000), [&] { return !alive(db[0]); }));
  for (const auto pid : shop) EXPECT_FALSE(alive(pid)) << "what it depends on was stopped first";
  EXPECT_EQ(left.get(), "");
}

}  // namespace
}  // namespace fleet::test
