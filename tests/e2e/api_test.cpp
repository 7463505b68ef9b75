// The API as anybody with curl sees it: what it opens to whom, and that its answers are what openapi.json says.
#include "expect.hpp"
#include "support/openapi/openapi.hpp"

namespace fleet::test {
namespace {

TEST(Api, AnswersAreAsItsDescriptionSays) {
  Fleet fleet;
  fleet.start();
  const OpenApi description;
  const auto deployed = fleet.begin_deploy(fleet.pack({"v1", {"start-delay = 600"}}));
  const auto conforms = [&](const std::string& method, const std::string& target, int status,
                            const std::string& json = {}) {
    const auto response = fleet.call(method, target, json);
    EXPECT_EQ(response.status, status) << method << ' ' << target << ": " << response.body;
    const auto problems =
        description.check_answer(method, target, response.status, response.header("Content-Type"), response.body);
    for (const auto& problem : problems) ADD_FAILURE() << method << ' ' << target << ": " << problem;
  };
  conforms("GET", "/v1/status", 200);  // with a deployment under way
  conforms("GET", "/v1/deployments/" + std::to_string(deployed), 200);
  conforms("POST", "/v1/apps/shop/deployments", 409, R"({"url":"/tmp/x.tar.gz"})");
  ASSERT_EQ(fleet.wait_end(deployed).at("state"), "succeeded");
  conforms("GET", "/healthz", 200);
  conforms("GET", "/v1/status", 200);
  conforms("GET", "/v1/deployments/" + std::to_string(deployed), 200);
  conforms("GET", "/v1/deployments/999", 404);
  conforms("GET", "/v1/apps/shop/releases", 200);
  conforms("GET", "/v1/apps/shop/logs?lines=5", 200);
  conforms("GET", "/v1/apps/none/logs", 404);
  conforms("GET", "/v1/events", 200);
  conforms("POST", "/v1/apps/shop/deployments", 400, R"({"url":17})");
  conforms("POST", "/v1/apps/shop/rollback", 404);
  conforms("POST", "/v1/apps/shop/restart", 202);
  ASSERT_TRUE(eventually(milliseconds(10000), [&] { return fleet.app().at("deployment").is_null(); }));
}

TEST(Api, OverTcpWithoutATokenIsForReadingStatusOnly) {
  FleetSetup setup;
  setup.tcp_api = true;
  Fleet fleet(setup);
  fleet.start();
  const auto peer = fleet.api_tcp();
  const auto status_of = [&](const char* method, const char* target) {
    const auto response = fetch(peer, method, target, {"Content-Type: application/json"});
    return response ? response->status : -1;
  };
  EXPECT_EQ(status_of("GET", "/v1/status"), 200);
  EXPECT_EQ(status_of("GET", "/healthz"), 200);
  for (const auto* target : {"/v1/apps/shop/restart", "/v1/apps/shop/deployments", "/v1/shutdown", "/v1/reload"}) {
    const auto status = status_of("POST", target);
    EXPECT_TRUE(status == 401 || status == 403) << target << ": " << status;
  }
  const auto logs = status_of("GET", "/v1/apps/shop/logs");
  EXPECT_TRUE(logs == 401 || logs == 403) << logs;
}

TEST(Api, ATokenOpensTheRestOverTcp) {
  FleetSetup setup;
  setup.tcp_api = true;
  setup.token = "correct-horse-battery-staple";
  setup.fleet_lines = {"file_roots = [\"/tmp\"]"};
  Fleet fleet(setup);
  fleet.start();
  const auto artifact = fleet.pack({"v1"});
  const auto deploy = [&](const std::string& authorization) {
    std::vector<std::string> headers = {"Content-Type: application/json"};
    if (!authorization.empty()) headers.push_back("Authorization: " + authorization);
    const Json body = {{"url", artifact}};
    const auto response = fetch(fleet.api_tcp(), "POST", "/v1/apps/shop/deployments", headers, body.dump());
    return response ? response->status : -1;
  };
  EXPECT_EQ(deploy(""), 401);
  EXPECT_EQ(deploy("Bearer wrong"), 401);
  EXPECT_EQ(deploy("Bearer " + setup.token), 202);
  EXPECT_TRUE(eventually(milliseconds(10000), [&] { return version_at(fleet.http()) == "v1"; }));
}

TEST(Api, StreamsTheEventsOfADeployment) {
  Fleet fleet;
  fleet.start();
  const auto id = fleet.begin_deploy(fleet.pack({"v1", {"start-delay = 300"}}));
  const auto peer = fleet.api();
  auto connection = Connection::open(peer);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(connection->send(request_text(peer, "GET", "/v1/deployments/" + std::to_string(id) + "/events",
                                            {"Accept: application/x-ndjson"})));
  const auto response = connection->receive();
  ASSERT_TRUE(response) << response.error().text;
  EXPECT_EQ(response->status, 200);
  std::vector<std::string> types;
  std::istringstream lines(response->body);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    const auto event = Json::parse(line, nullptr, false);
    ASSERT_TRUE(event.is_object()) << line;
    types.push_back(event.at("type"));
  }
  ASSERT_FALSE(types.empty());
  EXPECT_EQ(types.back(), "deployment.finished");
  EXPECT_GE(std::ranges::count(types, "deployment.phase"), 3);
}

}  // namespace
}  // namespace fleet::test
