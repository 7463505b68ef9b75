// A client of HTTP/2 that counts failures must know what is one: a server's own words, frame by frame.
#include "support/http2_streams.hpp"

#include <gtest/gtest.h>

namespace fleet::test {
namespace {

enum : char { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kGoaway = 7 };
enum : char { kNone = 0, kEndStream = 1, kEndHeaders = 4 };

std::string number(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string frame(char type, char flags, std::uint32_t stream, const std::string& payload = "") {
  return number(static_cast<std::uint32_t>(payload.size()), 3) + type + flags + number(stream, 4) + payload;
}

std::string goaway(std::uint32_t last_stream, std::uint32_t code = 0) {
  return frame(kGoaway, kNone, 0, number(last_stream, 4) + number(code, 4));
}

std::string head(std::uint32_t stream) { return frame(kHeaders, kEndHeaders, stream, "\x88"); }  // :status 200
std::string rest(std::uint32_t stream, const std::string& body) { return frame(kData, kEndStream, stream, body); }

class Streams : public ::testing::Test {
 protected:
  Streams() { streams.receive(frame(kSettings, kNone, 0)); }
  // Requests 1, 2 ... on the streams 1, 3 ...
  void ask(std::uint64_t count) {
    for (std::uint64_t i = 1; i <= count; ++i) streams.begin(i, {.authority = "shop.test"});
  }
  Http2Outcome only() {
    auto all = streams.outcomes();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Http2Outcome{} : std::move(all.front());
  }
  Http2Streams streams;
};

TEST_F(Streams, AreAnsweredInAnyOrder) {
  ask(2);
  streams.receive(head(3) + head(1) + rest(3, "second") + rest(1, "first"));
  const auto outcomes = streams.outcomes();
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0].number, 2u);
  EXPECT_EQ(outcomes[0].answer.value().body, "second");
  EXPECT_EQ(outcomes[1].number, 1u);
  EXPECT_EQ(outcomes[1].answer.value().status, 200);
  EXPECT_EQ(streams.under_way(), 0u);
  EXPECT_TRUE(streams.takes_more());
}

TEST_F(Streams, SendTheirBodies) {
  streams.begin(1, {.method = "POST", .authority = "shop.test", .body = "what is to be said"});
  EXPECT_TRUE(streams.out().ends_with(rest(1, "what is to be said")));
}

TEST_F(Streams, AboveTheLastOneOfAGoawayAreToBeSentAgain) {
  ask(2);
  streams.receive(goaway(1));
  const auto refused = only();
  EXPECT_EQ(refused.number, 2u);
  EXPECT_FALSE(refused.answer);
  EXPECT_TRUE(refused.unprocessed);
  EXPECT_FALSE(streams.takes_more());
  EXPECT_FALSE(streams.over());
  streams.receive(head(1) + rest(1, "the last"));
  EXPECT_EQ(only().answer.value().body, "the last");
  EXPECT_TRUE(streams.over());
}

TEST_F(Streams, AllFinishAfterAGoawayThatNamesNoneOfThem) {
  ask(2);
  streams.receive(goaway(0x7fffffff));
  EXPECT_FALSE(streams.takes_more());
  EXPECT_EQ(streams.under_way(), 2u);
  streams.receive(head(1) + rest(1, "one") + goaway(3) + head(3) + rest(3, "two"));
  const auto outcomes = streams.outcomes();
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_TRUE(outcomes[0].answer && outcomes[1].answer);
}

TEST_F(Streams, HaveFailedWhenTheyAreResetWithoutAGoaway) {
  ask(1);
  streams.receive(frame(kReset, kNone, 1, number(7, 4)));  // REFUSED_STREAM
  const auto outcome = only();
  EXPECT_FALSE(outcome.unprocessed);
  EXPECT_EQ(outcome.answer.error().cause, Cause::no_answer);
}

TEST_F(Streams, HaveFailedWhenTheirAnswerIsCut) {
  ask(2);
  streams.receive(head(1) + frame(kData, kNone, 1, "half") + goaway(3) + frame(kReset, kNone, 1, number(2, 4)));
  EXPECT_EQ(only().answer.error().cause, Cause::cut);
  streams.end({Cause::no_answer, "closed"});  // though it was to process this one
  const auto outcome = only();
  EXPECT_EQ(outcome.number, 2u);
  EXPECT_EQ(outcome.answer.error().cause, Cause::no_answer);
  EXPECT_FALSE(outcome.unprocessed);
}

TEST_F(Streams, HaveFailedWhenTheServerSpeaksNonsense) {
  ask(1);
  streams.receive(head(1) + rest(7, "of no stream"));
  EXPECT_EQ(only().answer.error().cause, Cause::malformed);
  EXPECT_TRUE(streams.over());
}

}  // namespace
}  // namespace fleet::test
