// openapi.json and the code describe one API: the same fields of the same types, the same routes.
#include <gmock/gmock.h>

#include <set>

#include "api/routes.hpp"
#include "api/views.hpp"
#include "core/json.hpp"
#include "support/openapi/openapi.hpp"

namespace fleet::api {
namespace {

using json::Json;
using test::OpenApi;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

const OpenApi& described() {
  static const OpenApi api;
  return api;
}

const Json& resolved(const Json& schema) {
  if (!schema.contains("$ref")) return schema;
  const auto reference = schema["$ref"].get<std::string>();
  return described().schema(reference.substr(reference.rfind('/') + 1));
}

bool is_nullable(const Json& schema) {
  if (schema.contains("oneOf")) return schema["oneOf"].back() == Json{{"type", "null"}};
  return resolved(schema)["type"].is_array();
}

const Json& without_null(const Json& schema) { return schema.contains("oneOf") ? schema["oneOf"].front() : schema; }

std::string type_of(const Json& schema) {
  const Json& type = resolved(schema).at("type");
  return type.is_array() ? type.front().get<std::string>() : type.get<std::string>();
}

enum class Presence { always, if_known };

// Expects `schema` to say what json::write makes of a T. if_known: what is null is left out.
template <class T>
void expect_same(const Json& schema, const std::string& where, Presence presence = Presence::always) {
  SCOPED_TRACE(where);
  if constexpr (json::detail::IsOptional<T>::value) {
    EXPECT_EQ(is_nullable(schema), presence == Presence::always);
    expect_same<typename T::value_type>(without_null(schema), where);
  } else if constexpr (std::is_same_v<T, std::string>) {
    EXPECT_EQ(type_of(schema), "string");
  } else if constexpr (std::is_same_v<T, bool>) {
    EXPECT_EQ(type_of(schema), "boolean");
  } else if constexpr (NamedEnum<T>) {
    std::vector<std::string> names;
    for (const auto name : fleet_names(T{})) names.emplace_back(name);
    EXPECT_THAT(resolved(schema)["enum"].template get<std::vector<std::string>>(), ElementsAreArray(names));
  } else if constexpr (json::detail::IsVector<T>::value) {
    ASSERT_EQ(type_of(schema), "array");
    expect_same<typename T::value_type>(schema["items"], where + "[]");
  } else if constexpr (HasFields<T>) {
    const Json& object = resolved(schema);
    ASSERT_EQ(type_of(object), "object");
    const bool request = object.contains("additionalProperties");
    std::set<std::string> fields;
    T value;
    const auto visit = [&](const char* field, const auto& member) {
      fields.insert(field);
      ASSERT_TRUE(object["properties"].contains(field)) << where << " has " << field << ", which is not described";
      const Presence each = std::is_same_v<T, EventData> ? Presence::if_known : Presence::always;
      expect_same<std::remove_cvref_t<decltype(member)>>(object["properties"][field], where + "." + field, each);
    };
    for_each_field(value, visit);
    for (const auto& [name, property] : object["properties"].items()) {
      EXPECT_TRUE(fields.contains(name)) << where << "." << name << " is described but not there";
    }
    if (request || std::is_same_v<T, EventData>) return;  // others may leave fields out
    std::set<std::string> required;
    for (const auto& name : object["required"]) required.insert(name);
    EXPECT_EQ(required, fields);
  } else {
    EXPECT_EQ(type_of(schema), "integer");
  }
}

template <class T>
void expect_described(const std::string& name) {
  expect_same<T>(described().schema(name), name);
}

TEST(OpenApi, DescribesEveryViewFieldByField) {
  expect_described<StatusView>("Status");
  expect_described<DeploymentView>("Deployment");
  expect_described<ReleasesView>("Releases");
  expect_described<LogsView>("Logs");
  expect_described<RouteView>("Route");
  expect_described<EventView>("Event");
  expect_described<EventsView>("Events");
  expect_described<DeployBody>("DeployBody");
  expect_described<RollbackBody>("RollbackBody");
  expect_described<GcBody>("GcBody");
  expect_described<GcView>("Gc");
  expect_described<HoldBody>("HoldBody");
  expect_described<PlanView>("Plan");
  expect_described<PlannedChange>("PlannedChange");
  expect_described<HookView>("HookRun");
  expect_described<HoldView>("Hold");
  expect_described<ShutdownBody>("ShutdownBody");
  expect_described<UpgradeBody>("UpgradeBody");
  expect_described<UpgradeView>("Upgrade");
  expect_described<AcceptedView>("Accepted");
  expect_described<HealthView>("Health");
  expect_described<DoneView>("Done");
  expect_described<Problem>("Problem");
}

TEST(OpenApi, DescribesEveryRouteAndNoOther) {
  std::set<std::string> in_code, in_text;
  for (const auto& route : routes()) in_code.insert(std::string(route.method) + " " + std::string(route.path));
  for (const auto& [path, operations] : described().document()["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::string verb = method;
      for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      in_text.insert(verb + " " + path);
    }
  }
  EXPECT_EQ(in_code, in_text);
}

TEST(OpenApi, SaysWhichRoutesNeedNoToken) {
  for (const auto& route : routes()) {
    std::string verb(route.method);
    for (char& c : verb) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const Json& operation = described().document()["paths"][std::string(route.path)][verb];
    EXPECT_EQ(operation.contains("security"), route.access == Access::everyone) << route.path;
  }
}

TEST(OpenApi, NamesTheParametersOfEachPath) {
  for (const auto& [path, operations] : described().document()["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::string rebuilt = path;
      for (const auto& parameter : operation.value("parameters", Json::array())) {
        if (parameter["in"] != "path") continue;
        const std::string braces = "{" + parameter["name"].get<std::string>() + "}";
        ASSERT_NE(rebuilt.find(braces), std::string::npos) << path;
        rebuilt.erase(rebuilt.find(braces), braces.size());
      }
      EXPECT_EQ(rebuilt.find('{'), std::string::npos) << path;
    }
  }
}

TEST(OpenApiCheck, FindsWhatIsMissingUnknownMistypedOrMisnamed) {
  Json event = json::write(EventView{});
  event["data"] = Json::object();
  EXPECT_THAT(described().check("Event", event), IsEmpty());
  event["type"] = "deployment.forgotten";
  event["seq"] = "one";
  event["more"] = 1;
  event.erase("message");
  EXPECT_THAT(described().check("Event", event),
              ::testing::UnorderedElementsAre("Event: lacks message", "Event/seq: is a string, not \"integer\"",
                                              "Event/type: not one of its names: \"deployment.forgotten\"",
                                              "Event: has more, which is not described"));
}

TEST(OpenApiCheck, KnowsAnswersByMethodPathStatusAndType) {
  const auto& api = described();
  EXPECT_THAT(api.check_answer("GET", "/healthz", 200, "application/json", R"({"status":"ok"})"), IsEmpty());
  EXPECT_EQ(api.check_answer("GET", "/healthz", 201, "application/json", "{}").size(), 1u);
  EXPECT_EQ(api.check_answer("GET", "/nowhere", 200, "application/json", "{}").size(), 1u);
  EXPECT_EQ(api.check_answer("GET", "/healthz", 200, "text/plain", "ok").size(), 1u);
  const std::string line = R"({"instance":"a","release":1,"text":"hello"})";
  const std::string target = "/v1/apps/shop/logs?follow=true";
  EXPECT_THAT(api.check_answer("GET", target, 200, "application/x-ndjson", line + "\n\n" + line + "\n"), IsEmpty());
  EXPECT_THAT(api.check_answer("GET", target, 200, "text/event-stream", ":\n\ndata: " + line + "\n\n"), IsEmpty());
  EXPECT_EQ(api.check_answer("GET", target, 200, "application/x-ndjson", line + "\n{}\n").size(), 3u);
}

}  // namespace
}  // namespace fleet::api
