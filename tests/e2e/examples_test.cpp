// The applications of deploy/examples by their own configurations, two versions of each under load.
#include <filesystem>

#include "expect.hpp"

namespace fleet::test {
namespace {

std::string example(const std::string& name) { return std::string(FLEET_SOURCE_DIR) + "/deploy/examples/" + name; }

// The [app.*] tables of an example's fleet.toml, as they are.
std::string apps_of(const std::string& name) {
  const auto text = read_whole(example(name) + "/fleet.toml");
  return "\n" + text.substr(text.find("[app."));
}

bool is_there(const std::string& path) { return std::filesystem::exists(path); }

std::string built(const Fleet& fleet, const std::string& name, const std::string& version, const std::string& suffix) {
  const auto path = fleet.root() + "/shop-" + version + suffix;
  const auto ran = run({example(name) + "/build", version, path}, {{"FLEET_BIN_DIR", program_path("")}});
  if (ran.code != 0) throw std::runtime_error("build: " + ran.out + ran.err);
  return path;
}

void two_versions_under_load(Fleet& fleet, const std::string& name, const std::string& suffix) {
  fleet.start();
  ASSERT_TRUE(ended(fleet.ctl({"deploy", built(fleet, name, "v1", suffix)}), kDone));
  EXPECT_TRUE(serves(fleet, "v1"));
  Traffic traffic(fleet, {.rate = 200});
  traffic.flow();
  ASSERT_TRUE(ended(fleet.ctl({"deploy", built(fleet, name, "v2", suffix)}), kDone));
  traffic.flow();
  ASSERT_TRUE(ended(fleet.ctl({"rollback"}), kDone));
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(600), {"v1", "v2"}));
  EXPECT_TRUE(serves(fleet, "v1"));
}

void redirect_is_rewritten(const Fleet& fleet) {
  const auto peer = fleet.https();
  const auto response = fetch(peer, "GET", "/login");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->header("Location"), "https://" + peer.server_name + "/");
}

FleetSetup only(const std::string& apps) {
  FleetSetup setup;
  setup.demo_apps.clear();
  setup.apps = apps;
  return setup;
}

TEST(Examples, ConfigurationsAreValidAsTheyAre) {
  const Fleet fleet;
  for (const auto* name : {"demo", "node", "tomcat"}) {
    EXPECT_TRUE(ended(fleet.ctl({"config", "check", example(name) + "/fleet.toml"}), kDone)) << name;
  }
}

TEST(Examples, NodeServer) {
  if (!is_there("/usr/bin/node")) GTEST_SKIP() << "no node here";
  Fleet fleet(only(apps_of("node")));
  two_versions_under_load(fleet, "node", ".tar.gz");
  redirect_is_rewritten(fleet);
}

TEST(Examples, TomcatWithAWar) {
  if (!is_there("/usr/share/tomcat10") || !is_there("/usr/bin/javac")) GTEST_SKIP() << "no Tomcat or JDK here";
  auto apps = apps_of("tomcat");
  const std::string installed = "/usr/local/lib/fleet-tomcat-start";
  apps.replace(apps.find(installed), installed.size(), example("tomcat") + "/start");
  Fleet fleet(only(apps));
  two_versions_under_load(fleet, "tomcat", ".war");
  redirect_is_rewritten(fleet);

  // One instance keeps the session that it made; here every request of the visitor may meet either.
  const auto peer = fleet.https();
  const auto first = fetch(peer, "GET", "/visits");
  ASSERT_TRUE(first);
  const std::string cookie(first->header("Set-Cookie"));
  ASSERT_TRUE(cookie.starts_with("JSESSIONID=")) << cookie;
  const auto again = [&] {
    const auto response = fetch(peer, "GET", "/visits", {"Cookie: " + cookie.substr(0, cookie.find(';'))});
    return response && response->body.starts_with("visits=2 ");
  };
  EXPECT_TRUE(eventually(milliseconds(5000), again));
}

TEST(Examples, DemoServer) {
  Fleet fleet(only(apps_of("demo")));
  two_versions_under_load(fleet, "demo", ".tar.gz");
}

}  // namespace
}  // namespace fleet::test
