// PROXY-RULES R: what may be sent again. The last word is the pure decision tested here.
#include "exchange/retry.hpp"

#include <gtest/gtest.h>

namespace fleet::proxy {
namespace {

RetryFacts get_that_ended() {
  RetryFacts facts;
  facts.idempotent = true;
  facts.bytes_sent = 100;
  facts.targets = 2;
  return facts;
}

RetryFacts post_that_ended() {
  auto facts = get_that_ended();
  facts.idempotent = false;
  return facts;
}

TEST(Retry, R1TriesElsewhereWhenNoConnectionWasMadeWhateverTheMethod) {
  auto facts = post_that_ended();
  facts.end = AttemptEnd::connect_failed;
  facts.bytes_sent = 0;
  EXPECT_EQ(decide_retry(facts), Retry::elsewhere);
  facts.attempts = 2;
  EXPECT_EQ(decide_retry(facts), Retry::elsewhere);
  facts.attempts = 3;
  EXPECT_EQ(decide_retry(facts), Retry::no);
}

TEST(Retry, R1TriesASingleTargetTwice) {
  auto facts = post_that_ended();
  facts.end = AttemptEnd::connect_failed;
  facts.targets = 1;
  EXPECT_EQ(decide_retry(facts), Retry::elsewhere);
  facts.attempts = 2;
  EXPECT_EQ(decide_retry(facts), Retry::no);
}

TEST(Retry, R2ReplaysAnIdempotentRequestOnce) {
  auto facts = get_that_ended();
  EXPECT_EQ(decide_retry(facts), Retry::replay);
  facts.replays = 1, facts.attempts = 2;
  EXPECT_EQ(decide_retry(facts), Retry::no);
}

TEST(Retry, R3NeverReplaysAPostOnceAByteHasLeft) {
  auto facts = post_that_ended();
  EXPECT_EQ(decide_retry(facts), Retry::no);
  facts.bytes_sent = 1;
  EXPECT_EQ(decide_retry(facts), Retry::no);
  facts.bytes_sent = 0;
  EXPECT_EQ(decide_retry(facts), Retry::elsewhere);
}

TEST(Retry, R5NeverRetriesAfterAnAnswerByte) {
  auto facts = get_that_ended();
  facts.answer_begun = true;
  EXPECT_EQ(decide_retry(facts), Retry::no);
}

TEST(Retry, R6NeverRetriesBeyondTheReplayWindow) {
  auto facts = get_that_ended();
  facts.request_kept = false;
  EXPECT_EQ(decide_retry(facts), Retry::no);
}

TEST(Retry, R9PutsReplaysOffWhenTheBudgetIsSpentButNotFreshConnects) {
  auto facts = get_that_ended();
  facts.budget_left = false;
  EXPECT_EQ(decide_retry(facts), Retry::later);
  facts.replays = 1;
  EXPECT_EQ(decide_retry(facts), Retry::no) << "what may not be sent again need not wait";
  facts.end = AttemptEnd::connect_failed;
  EXPECT_EQ(decide_retry(facts), Retry::elsewhere);
}

TEST(Retry, R10NeverRetriesForAClientThatLeft) {
  auto facts = get_that_ended();
  facts.client_gone = true;
  EXPECT_EQ(decide_retry(facts), Retry::no);
}

TEST(Retry, D4CutsWhatIsLongerThanTheDrainLimit) {
  auto facts = get_that_ended();
  facts.end = AttemptEnd::target_gone;
  EXPECT_EQ(decide_retry(facts), Retry::no);
  facts.bytes_sent = 0;
  EXPECT_EQ(decide_retry(facts), Retry::elsewhere);
}

TEST(Retry, D8ReplaysAPostWhoseBodyWasStillWaitingForItsContinue) {
  auto facts = post_that_ended();
  facts.body_untouched = true;
  EXPECT_EQ(decide_retry(facts), Retry::replay);
}

TEST(Retry, NeverRetriesTimeoutsAndBadAnswers) {
  for (const auto end : {AttemptEnd::timed_out, AttemptEnd::bad_answer}) {
    auto facts = get_that_ended();
    facts.end = end;
    EXPECT_EQ(decide_retry(facts), Retry::no);
  }
}

}  // namespace
}  // namespace fleet::proxy
