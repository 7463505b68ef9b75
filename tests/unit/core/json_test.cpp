#include "core/json.hpp"

#include <gtest/gtest.h>

#include "../sample.hpp"
#include "core/config.hpp"
#include "core/routes.hpp"

namespace fleet::json {
namespace {

struct Inner {
  milliseconds wait{5};
  std::optional<std::string> note;
  FLEET_FIELDS(Inner, wait, note)
};

struct Outer {
  std::int64_t count = -3;
  HealthKind kind = HealthKind::tcp;
  std::vector<Inner> list{{}};
  std::map<std::string, std::string> map{{"a", "b"}};
  FLEET_FIELDS(Outer, count, kind, list, map)
};

std::string problem(const std::string& text) {
  Outer value;
  const auto result = read(Json::parse(text), value);
  return result ? "" : result.error().text;
}

TEST(Json, HasFieldsInOrderEnumsByNameAndDurationsInMilliseconds) {
  EXPECT_EQ(write(Outer{}).dump(), R"({"count":-3,"kind":"tcp","list":[{"wait":5,"note":null}],"map":{"a":"b"}})");
}

template <class T>
void expect_round_trip() {
  const auto value = test::sample<T>();
  T copy{};
  const auto result = read(Json::parse(write(value).dump()), copy);
  ASSERT_TRUE(result) << result.error().text;
  EXPECT_EQ(copy, value);
  EXPECT_NE(copy, T{});
}

TEST(Json, LeadsBackToTheValue) {
  expect_round_trip<Config>();
  expect_round_trip<RouteTable>();
}

TEST(Json, KeepsDefaultsWhereAnOlderWriterSaidNothing) {
  Outer value;
  ASSERT_TRUE(read(Json::parse(R"({"count":7})"), value));
  EXPECT_EQ(value.count, 7);
  EXPECT_EQ(value.kind, HealthKind::tcp);
}

TEST(Json, IgnoresWhatANewerWriterAdded) { EXPECT_EQ(problem(R"({"count":7,"news":1})"), ""); }

TEST(Json, NamesTheFieldOfAnotherType) {
  EXPECT_EQ(problem(R"({"count":"7"})"), "count: expected a whole number");
  EXPECT_EQ(problem(R"({"count":1.5})"), "count: expected a whole number");
  EXPECT_EQ(problem(R"({"count":18446744073709551615})"), "count: expected a number in range");
  EXPECT_EQ(problem(R"({"kind":"udp"})"), "kind: expected one of the known names");
  EXPECT_EQ(problem(R"({"kind":1})"), "kind: expected one of the known names");
  EXPECT_EQ(problem(R"({"list":{}})"), "list: expected a list");
  EXPECT_EQ(problem(R"({"list":[{"wait":"1s"}]})"), "list: wait: expected milliseconds");
  EXPECT_EQ(problem(R"({"list":[{"note":1}]})"), "list: note: expected a string");
  EXPECT_EQ(problem(R"({"map":[]})"), "map: expected an object");
  EXPECT_EQ(problem("[]"), "expected an object");
  Endpoint endpoint;
  EXPECT_FALSE(read(Json::parse(R"({"port":65536})"), endpoint));
  EXPECT_FALSE(read(Json::parse(R"({"port":-1})"), endpoint));
}

}  // namespace
}  // namespace fleet::json
