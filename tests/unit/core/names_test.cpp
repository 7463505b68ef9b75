#include "core/names.hpp"

#include <gtest/gtest.h>

#include "core/config.hpp"
#include "core/routes.hpp"

namespace fleet {
namespace {

template <class E>
void expect_round_trip() {
  for (std::size_t i = 0; i < enum_count<E>(); ++i) {
    const auto value = static_cast<E>(i);
    EXPECT_EQ(from_name<E>(name(value)), value) << name(value);
  }
}

TEST(Names, LeadBackToTheirValues) {
  expect_round_trip<HttpsRedirect>();
  expect_round_trip<HealthKind>();
  expect_round_trip<TargetState>();
  expect_round_trip<Accepts>();
}

TEST(Names, AreThoseOfTheValues) {
  EXPECT_EQ(name(HttpsRedirect::same_uri), "same-uri");
  EXPECT_EQ(name(HealthKind::notify), "notify");
  EXPECT_EQ(name(TargetState::draining), "draining");
  EXPECT_EQ(name(Accepts::nobody), "nobody");
}

TEST(Names, OfOtherTextsAreNone) {
  EXPECT_EQ(from_name<HealthKind>("HTTP"), std::nullopt);
  EXPECT_EQ(from_name<HealthKind>(""), std::nullopt);
  EXPECT_EQ(from_name<HealthKind>("http "), std::nullopt);
}

TEST(Names, OfValuesOutOfRangeSaySo) { EXPECT_EQ(name(static_cast<HealthKind>(4)), "invalid"); }

}  // namespace
}  // namespace fleet
