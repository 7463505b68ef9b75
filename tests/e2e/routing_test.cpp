// Rules from fleet.toml to the wire: configured, asked about, changed by a reload.
#include "expect.hpp"

namespace fleet::test {
namespace {

TEST(Routing, FollowsTheRulesOfTheFileTellsThemAndTakesNewOnes) {
  FleetSetup setup;
  setup.demo_apps = {DemoApp{.name = "shop",
                             .lines = {"rewrite = [{match = \"^/old/(.*)$\", to = \"/echo-headers?was=$1\"}, "
                                       "{match = \"^/gone\", to = \"/new\", status = 308}]",
                                       "response_headers.set = { X-Frame-Options = \"DENY\" }",
                                       "errors = { pages = { \"403\" = \"403.html\" } }",
                                       "route = [{path = \"/admin\", access.deny = [\"0.0.0.0/0\"]}]"}}};
  Fleet fleet(setup);
  write_whole(fleet.root() + "/403.html", "<h1>not you</h1>");
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"one"}), kDone));
  const auto get = [&](const std::string& path) { return fetch(fleet.http(), "GET", path); };

  const auto rewritten = get("/old/x");
  ASSERT_TRUE(rewritten);
  EXPECT_EQ(rewritten->status, 200);
  EXPECT_EQ(rewritten->header("X-Frame-Options"), "DENY");
  EXPECT_EQ(get("/gone?x")->header("Location"), "/new?x");
  const auto denied = get("/x/../admin/y");
  EXPECT_EQ(denied->status, 403);
  EXPECT_EQ(denied->body, "<h1>not you</h1>");

  const auto checked = fleet.ctl({"route", "check", "http://any.example/old/x", "--json"});
  ASSERT_EQ(checked.code, 0) << checked.err;
  const auto view = Json::parse(checked.out);
  EXPECT_EQ(view["app"], "shop");
  EXPECT_EQ(view["because"], "rewrite");
  EXPECT_EQ(view["target"], "/echo-headers?was=x");
  EXPECT_EQ(view["targets"].size(), 2u);
  EXPECT_NE(fleet.ctl({"route", "check", "http://any.example/admin"}).out.find("403 (address-denied), by fleet"), std::string::npos);

  auto text = read_whole(fleet.config_path());
  const auto at = text.find("response_headers.set");
  write_whole(fleet.config_path(), std::string(text).insert(at, "maintenance = { enabled = true, retry_after = \"5s\" }\n"));
  ASSERT_EQ(fleet.ctl({"reload"}).code, 0);
  EXPECT_EQ(get("/")->status, 503);
  EXPECT_EQ(get("/")->header("Retry-After"), "5");
  write_whole(fleet.config_path(), std::string(text).insert(at, "max_body = \"huge\"\n"));
  const auto refused = fleet.ctl({"reload"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("app \"shop\": max_body: \"huge\" is not a size"), std::string::npos) << refused.err;
  EXPECT_EQ(get("/")->status, 503) << "the former rules hold";
  write_whole(fleet.config_path(), text);
  ASSERT_EQ(fleet.ctl({"reload"}).code, 0);
  EXPECT_EQ(get("/old/x")->status, 200);
}

}  // namespace
}  // namespace fleet::test
