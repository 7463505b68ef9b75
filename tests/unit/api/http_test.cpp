#include "api/http.hpp"

#include <gtest/gtest.h>

#include "api/views.hpp"

namespace fleet::api {
namespace {

std::string refusal_of(std::string_view text) {
  const auto parsed = parse_strict(text);
  return parsed ? "" : parsed.error().text;
}

TEST(RequestBody, IsRefusedWhenItIsNotJsonOrRepeatsAKeyOrIsDeep) {
  EXPECT_EQ(refusal_of(R"({"url":"x","more":[1,{"url":2}]})"), "");
  EXPECT_EQ(refusal_of("{"), "request body: not JSON");
  EXPECT_EQ(refusal_of("{} {}"), "request body: not JSON");
  EXPECT_EQ(refusal_of("{\"a\":\"\xff\"}"), "request body: not JSON");
  EXPECT_EQ(refusal_of(R"({"url":"good","url":"evil"})"), "request body: repeated key: \"url\"");
  EXPECT_EQ(refusal_of(R"([{"a":{"b":1,"b":2}}])"), "request body: repeated key: \"b\"");
  EXPECT_EQ(refusal_of(std::string(32, '[') + std::string(32, ']')), "");
  EXPECT_EQ(refusal_of(std::string(34, '[') + std::string(34, ']')), "request body: nested more than 32 deep");
  EXPECT_EQ(refusal_of(std::string(1 << 20, '[')), "request body: nested more than 32 deep");
}

TEST(RequestBody, IsReadFieldByFieldAndUnknownOnesAreRefused) {
  Request request;
  EXPECT_EQ(body_as<RollbackBody>(request).value().release, std::nullopt);
  request.body = R"({"release": 41})";
  EXPECT_EQ(body_as<RollbackBody>(request).value().release, 41u);
  request.body = R"({"release": "41"})";
  EXPECT_EQ(body_as<RollbackBody>(request).error().text, "request body: release: expected a whole number");
  request.body = R"({"relaese": 41})";
  EXPECT_EQ(body_as<RollbackBody>(request).error().text, "request body: unknown key: \"relaese\"");
  request.body = "[]";
  EXPECT_EQ(body_as<RollbackBody>(request).error().text, "request body: not an object");
}

TEST(Query, TakesNumbersAndFlagsAndNothingElse) {
  Request request;
  request.query = {{"lines", "12"}, {"bad", "12x"},  {"empty", ""},  {"huge", "99999999999999999999"},
                   {"follow", ""},  {"no", "false"}, {"yes", "true"}};
  EXPECT_EQ(request.number("lines").value(), 12u);
  EXPECT_EQ(request.number("absent").value(), std::nullopt);
  for (const char* name : {"bad", "empty", "huge"}) EXPECT_FALSE(request.number(name)) << name;
  EXPECT_TRUE(request.flag("follow").value());
  EXPECT_TRUE(request.flag("yes").value());
  EXPECT_FALSE(request.flag("no").value());
  EXPECT_FALSE(request.flag("absent").value());
  EXPECT_FALSE(request.flag("bad"));
}

TEST(Problem, SaysStatusKindAndTheRunningDeployment) {
  const Response response = problem({ErrorKind::busy, "shop: deployment 7 is under way"},
                                    BusyView{7, DeploymentKind::deploy, Phase::warm, "uid 1000", "2026-11-23T09:00:00.000Z"});
  EXPECT_EQ(response.status, 409u);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.body,
            R"({"type":"urn:fleet:problem:busy","title":"another deployment of this app is under way","status":409,)"
            R"("detail":"shop: deployment 7 is under way","kind":"busy","deployment":7,"busy":{"deployment":7,"kind":"deploy",)"
            R"("phase":"warm","requested_by":"uid 1000","since":"2026-11-23T09:00:00.000Z"}})"
            "\n");
}

TEST(Problem, SurvivesBytesThatAreNotUtf8) {
  EXPECT_NE(problem({ErrorKind::internal, "log said \xff\xfe"}).body.find("log said \xEF\xBF\xBD"), std::string::npos);
}

}  // namespace
}  // namespace fleet::api
