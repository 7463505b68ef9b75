#include "http2_conformance.hpp"

#include <gmock/gmock.h>
#include <poll.h>

namespace fleet::test {

const std::string Http2Talk::kGet = "\x82\x87\x84\x01\x09shop.test";
const std::string Http2Talk::kPost = "\x83\x87\x84\x01\x09shop.test";

std::int32_t Http2Talk::begin_raw(const std::string& block, int flags) {
  subject = std::exchange(next_stream, next_stream + 2);
  send(h2::kHeaders, static_cast<std::uint8_t>(flags), subject, block);
  return subject;
}

void Http2Talk::be_reset() {
  subject = begin(post("/", {{"content-length", "1"}}), false);
  data(subject, "too much");
  answer(subject).reset.reset();
}

Must be_answered(int status, std::optional<std::string> body) { return {Must::Be::answered, {}, status, std::move(body)}; }
Must be_ignored() { return {Must::Be::ignored}; }
Must be_reset(std::initializer_list<std::uint32_t> codes) { return {Must::Be::reset, codes}; }
Must end_all(std::initializer_list<std::uint32_t> codes) { return {Must::Be::ended, codes}; }

namespace {

// Reads nothing of the body.
void wait_for_end(OriginConnection& connection) {
  pollfd end{connection.fd(), POLLRDHUP, 0};
  ::poll(&end, 1, 10000);
}

}  // namespace

void Http2Conformance::SetUp() {
  serve([](OriginConnection& connection) {
    OriginConnection::Request request;
    std::string head;
    while (connection.read_head(head)) {
      if (head.find("/wait") != std::string::npos) return wait_for_end(connection);
      request.head = head;
      if (!connection.read_body(request)) return;
      connection.answer(head.find("/big") != std::string::npos ? std::string(100000, 'b') : request.body);
    }
  });
}

void Http2Conformance::check(std::initializer_list<Row> rows) {
  for (const auto& row : rows) check(row);
}

void Http2Conformance::check(const Row& row) {
  SCOPED_TRACE(std::string("RFC ") + row.section + ": " + row.what);
  auto talk = row.begun ? std::make_unique<Http2Talk>(slot.https)
                        : std::make_unique<Http2Talk>(slot.https, Http2Client::Silent());
  row.steps(*talk);
  const auto& must = row.must;
  const auto& answer = must.be == Must::Be::answered || must.be == Must::Be::reset ? talk->answer(talk->subject)
                                                                                   : talk->of(talk->subject);
  switch (must.be) {
    case Must::Be::answered:
      EXPECT_EQ(answer.status, must.status);
      EXPECT_EQ(answer.body, must.body.value_or(answer.body));
      EXPECT_FALSE(answer.reset.has_value());
      EXPECT_THAT(talk->goaways, testing::IsEmpty());
      break;
    case Must::Be::ignored:
      goes_on(*talk);
      EXPECT_FALSE(answer.reset.has_value());
      break;
    case Must::Be::reset:
      EXPECT_EQ(answer.status, 0);
      EXPECT_THAT(must.codes, testing::Contains(answer.reset.value_or(~0u)));
      goes_on(*talk);
      break;
    case Must::Be::ended:
      talk->until([] { return false; });
      EXPECT_TRUE(talk->ended);
      ASSERT_THAT(talk->goaways, testing::SizeIs(1));
      EXPECT_THAT(must.codes, testing::Contains(talk->goaways.back().second));
      break;
  }
  EXPECT_TRUE(talk->unpacks);
}

void Http2Conformance::goes_on(Http2Talk& talk) {
  const auto probe = talk.next_stream;
  talk.send(h2::kHeaders, h2::kWhole, probe, Http2Talk::kGet);
  EXPECT_EQ(talk.answer(probe).status, 200);
  talk.send(h2::kPing, 0, 0, "the last");
  EXPECT_TRUE(talk.until([&] { return talk.last_pong == "the last"; }));
  EXPECT_THAT(talk.goaways, testing::IsEmpty());
}

}  // namespace fleet::test
