#include "tls/tickets.hpp"

#include <gmock/gmock.h>

namespace fleet::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kHour = 3600;

TEST(TicketKeys, AreLongEnoughAndNeverTheSame) {
  EXPECT_EQ(new_ticket_key().size(), 80u);
  EXPECT_NE(new_ticket_key(), new_ticket_key());
}

TEST(TicketKeys, AreDueWhenThereAreNoneAndEveryTwelveHours) {
  EXPECT_TRUE(rotation_due({}, 0));
  const TicketKeys keys{{"a"}, 100 * kHour};
  EXPECT_FALSE(rotation_due(keys, 100 * kHour));
  EXPECT_FALSE(rotation_due(keys, 112 * kHour - 1));
  EXPECT_TRUE(rotation_due(keys, 112 * kHour));
  EXPECT_TRUE(rotation_due(keys, 99 * kHour)) << "the clock was set back: who knows how old it is";
}

TEST(TicketKeys, AreKnownToAllBeforeTheyEncryptAndTwoFormerOnesDecrypt) {
  TicketKeys keys{{"a"}, 0};
  keys = announced(keys, "b");
  EXPECT_THAT(keys.keys, ElementsAre("a", "b"));
  keys = promoted(keys, 12);
  EXPECT_THAT(keys.keys, ElementsAre("b", "a"));
  EXPECT_EQ(keys.since, 12);
  keys = promoted(announced(keys, "c"), 24);
  EXPECT_THAT(keys.keys, ElementsAre("c", "b", "a"));
  keys = announced(keys, "d");
  EXPECT_THAT(keys.keys, ElementsAre("c", "b", "a", "d"));
  EXPECT_THAT(promoted(keys, 36).keys, ElementsAre("d", "c", "b")) << "a is forgotten";
}

TEST(TicketKeys, OfWorkersThatStoppedInDifferentStepsAreAllKept) {
  const TicketKeys behind{{"a", "x", "new"}, 0}, ahead{{"new", "a", "x"}, 12}, lone{{"z"}, 3};
  EXPECT_THAT(merged({behind, ahead}).keys, ElementsAre("new", "a", "x"));
  EXPECT_THAT(merged({behind, lone, ahead}).keys, ElementsAre("new", "a", "x", "z"));
  EXPECT_EQ(merged({behind, ahead}).since, 12);
  EXPECT_THAT(merged({}).keys, IsEmpty());
}

}  // namespace
}  // namespace fleet::tls
