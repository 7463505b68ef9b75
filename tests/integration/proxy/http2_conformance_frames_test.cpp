// RFC 9113 §3 to §7: frames, streams, settings and windows. §8 and RFC 7541 are in http2_conformance_messages_test.cpp.
#include "http2_conformance.hpp"

namespace fleet::test {
namespace {

using namespace h2;
using Talk = Http2Talk;

std::string be(std::uint64_t value, unsigned bytes) { return Talk::big_endian(value, bytes); }
std::string zeros(std::size_t n) { return std::string(n, '\0'); }
std::string setting(unsigned id, std::uint64_t value) { return be(id, 2) + be(value, 4); }
constexpr std::size_t kMostInFrame = 16384;

TEST_F(Http2Conformance, Preface) {
  check({
      {"9113 §3.4", "a preface that comes byte by byte",
       [](Talk& t) {
         for (const char c : NGHTTP2_CLIENT_MAGIC + Talk::frame(kSettings, 0, 0)) t.transport().send({&c, 1});
       },
       be_ignored(), false},
      {"9113 §3.4", "a preface that is none", [](Talk& t) { t.transport().send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"); },
       end_all({kProtocol}), false},
      {"9113 §3.4", "a request of HTTP/1.1",
       [](Talk& t) { t.transport().send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"); },
       end_all({kProtocol}), false},
      {"9113 §3.4", "PING before SETTINGS",
       [](Talk& t) { t.transport().send(NGHTTP2_CLIENT_MAGIC + Talk::frame(kPing, 0, 0, zeros(8))); }, end_all({kProtocol}),
       false},
      {"9113 §3.4", "HEADERS before SETTINGS",
       [](Talk& t) { t.transport().send(NGHTTP2_CLIENT_MAGIC + Talk::frame(kHeaders, kWhole, 1, Talk::kGet)); },
       end_all({kProtocol}), false},
      {"9113 §3.4", "an acknowledgement before SETTINGS",
       [](Talk& t) { t.transport().send(NGHTTP2_CLIENT_MAGIC + Talk::frame(kSettings, kAck, 0)); }, end_all({kProtocol}),
       false},
      {"9113 §3.4", "a first SETTINGS that is wrong",
       [](Talk& t) { t.transport().send(NGHTTP2_CLIENT_MAGIC + Talk::frame(kSettings, 0, 0, "x")); }, end_all({kFrameSize}),
       false},
  });
}

TEST_F(Http2Conformance, SpeaksFirstBySettingsOfItsOwn) {
  Talk talk(slot.https, Http2Client::Silent{});
  talk.acknowledges = false;
  const auto first = talk.next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->type, kSettings);
  EXPECT_EQ(first->flags, 0);
  EXPECT_EQ(first->stream, 0);
}

TEST_F(Http2Conformance, FrameFormatAndSize) {
  check({
      {"9113 §4.1", "an unknown type on the connection", [](Talk& t) { t.send(0xbe, 0xff, 0, zeros(8)); },
       be_ignored()},
      {"9113 §4.1", "an unknown type on an idle stream", [](Talk& t) { t.send(0xbe, 0, 77, zeros(8)); }, be_ignored()},
      {"9113 §4.1", "an unknown type in the midst of a body",
       [](Talk& t) { t.open(), t.send(0xbe, kEnd, t.subject, "not this"), t.data(t.subject, "this", true); },
       be_answered(200, "this")},
      {"9113 §4.1", "an unknown type as long as can be", [](Talk& t) { t.send(0xbe, 0, 0, zeros(kMostInFrame)); },
       be_ignored()},
      {"9113 §4.1", "flags of no meaning on PING", [](Talk& t) { t.send(kPing, 0x16, 0, zeros(8)); }, be_ignored()},
      {"9113 §4.1", "flags of no meaning on SETTINGS", [](Talk& t) { t.send(kSettings, 0xfe, 0); }, be_ignored()},
      {"9113 §4.1", "flags of no meaning on HEADERS and DATA",
       [](Talk& t) { t.begin_raw(Talk::kPost, kEndHead | 0x50), t.send(kData, kEnd | 0x56, t.subject, "body"); },
       be_answered(200, "body")},
      {"9113 §4.1", "flags of no meaning on WINDOW_UPDATE and RST_STREAM",
       [](Talk& t) { t.open("/wait"), t.send(kWindow, 0xff, 0, be(1, 4)), t.send(kReset, 0xff, t.subject, be(8, 4)); },
       be_ignored()},
      {"9113 §4.1", "the reserved bit of PING", [](Talk& t) { t.send(kPing, 0, INT32_MIN, zeros(8)); }, be_ignored()},
      {"9113 §4.1", "the reserved bit of HEADERS",
       [](Talk& t) { t.send(kHeaders, kWhole, INT32_MIN | 1, Talk::kGet), t.next_stream = 3; }, be_answered()},
      {"9113 §4.2", "DATA of 2^14 bytes",
       [](Talk& t) { t.open(), t.send(kData, kEnd, t.subject, zeros(kMostInFrame)); },
       be_answered(200, zeros(kMostInFrame))},
      {"9113 §4.2", "DATA of more", [](Talk& t) { t.open(), t.send(kData, kEnd, t.subject, zeros(kMostInFrame + 1)); },
       end_all({kFrameSize})},
      {"9113 §4.2", "HEADERS of more", [](Talk& t) { t.begin_raw(Talk::kGet + zeros(kMostInFrame)); },
       end_all({kFrameSize})},
      {"9113 §4.2", "SETTINGS of more", [](Talk& t) { t.send(kSettings, 0, 0, zeros(6 * 2731)); },
       end_all({kFrameSize})},
      {"9113 §4.2", "an unknown type of more", [](Talk& t) { t.send(0xbe, 0, 0, zeros(kMostInFrame + 1)); },
       end_all({kFrameSize})},
      {"9113 §4.2", "a length of 2^24 - 1",
       [](Talk& t) { t.transport().send("\xff\xff\xff"), t.transport().send(std::string("\0\0\0\0\0\1", 6)); },
       end_all({kFrameSize})},
  });
}

TEST_F(Http2Conformance, HeaderBlocks) {
  check({
      {"9113 §4.3", "a block in three frames",
       [](Talk& t) {
         t.begin_raw(Talk::kGet.substr(0, 1), kEnd);
         t.send(kContinuation, 0, t.subject, Talk::kGet.substr(1, 6));
         t.send(kContinuation, kEndHead, t.subject, Talk::kGet.substr(7));
       },
       be_answered()},
      {"9113 §4.3", "a block that ends within a field", [](Talk& t) { t.begin_raw(Talk::kGet.substr(0, 9)); },
       end_all({kCompression})},
      {"9113 §4.3", "a block of nonsense", [](Talk& t) { t.begin_raw(std::string(16, '\xff')); },
       end_all({kCompression})},
      {"9113 §4.3", "nonsense for trailers",
       [](Talk& t) { t.open(), t.send(kHeaders, kWhole, t.subject, std::string(16, '\xff')); },
       end_all({kCompression})},
      {"9113 §4.3", "nonsense behind a reset of the proxy's",
       [](Talk& t) { t.be_reset(), t.send(kHeaders, kWhole, t.subject, std::string(16, '\xff')); },
       end_all({kCompression})},
      {"9113 §4.3", "what trailers of a stream that was reset add to the table",
       [](Talk& t) {
         t.be_reset(), t.trailers(t.subject, {{"x-new", "one"}});
         t.subject = t.begin(Http2Client::post("/", {{"x-new", "one"}}), false);
         t.data(t.subject, "still in step", true);
       },
       be_answered(200, "still in step")},
      {"9113 §6.10", "CONTINUATION without bytes",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.send(kContinuation, kEndHead, t.subject); }, be_answered()},
      {"9113 §6.10", "PING within a block",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.send(kPing, 0, 0, zeros(8)); },
       end_all({kProtocol})},
      {"9113 §6.10", "DATA within a block",
       [](Talk& t) { t.begin_raw(Talk::kPost, 0), t.send(kData, kEnd, t.subject, "x"); },
       end_all({kProtocol})},
      {"9113 §6.10", "PRIORITY within a block",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.send(kPriority, 0, t.subject, zeros(5)); }, end_all({kProtocol})},
      {"9113 §6.10", "RST_STREAM within a block", [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.reset(t.subject); },
       end_all({kProtocol})},
      {"9113 §6.10", "WINDOW_UPDATE within a block",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.window_update(0, 1); },
       end_all({kProtocol})},
      {"9113 §6.10", "SETTINGS within a block", [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.settings({}); },
       end_all({kProtocol})},
      {"9113 §6.10", "GOAWAY within a block",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.send(kGoaway, 0, 0, zeros(8)); },
       end_all({kProtocol})},
      {"9113 §5.5", "an unknown type within a block",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.send(0xbe, 0, t.subject, "x"); },
       end_all({kProtocol})},
      {"9113 §6.10", "HEADERS of another stream within a block",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.begin_raw(Talk::kGet); }, end_all({kProtocol})},
      {"9113 §6.10", "HEADERS of the same stream within a block",
       [](Talk& t) { t.begin_raw(Talk::kGet, kEnd), t.send(kHeaders, kWhole, t.subject, Talk::kGet); },
       end_all({kProtocol})},
      {"9113 §6.10", "CONTINUATION of another stream",
       [](Talk& t) { t.begin_raw(Talk::kGet.substr(0, 3), kEnd), t.send(kContinuation, kEndHead, 3, Talk::kGet.substr(3)); },
       end_all({kProtocol})},
      {"9113 §6.10", "CONTINUATION behind a whole block",
       [](Talk& t) { t.half_close(), t.send(kContinuation, kEndHead, t.subject, "\x88"); }, end_all({kProtocol})},
      {"9113 §6.10", "CONTINUATION behind the CONTINUATION that ends a block",
       [](Talk& t) {
         t.begin_raw(Talk::kPost, 0), t.send(kContinuation, kEndHead, t.subject);
         t.send(kContinuation, kEndHead, t.subject, "\x88");
       },
       end_all({kProtocol})},
      {"9113 §6.10", "CONTINUATION behind DATA",
       [](Talk& t) { t.open(), t.data(t.subject, "x"), t.send(kContinuation, kEndHead, t.subject, "\x88"); },
       end_all({kProtocol})},
      {"9113 §6.10", "CONTINUATION of the connection", [](Talk& t) { t.send(kContinuation, kEndHead, 0, "\x88"); },
       end_all({kProtocol})},
      {"9113 §6.10", "a block on the connection that goes on there",
       [](Talk& t) { t.send(kHeaders, kEnd, 0, Talk::kGet), t.send(kContinuation, kEndHead, 0); },
       end_all({kProtocol})},
  });
}

TEST_F(Http2Conformance, StatesOfStreams) {
  check({
      {"9113 §5.1", "DATA on an idle stream", [](Talk& t) { t.data(t.subject, "x", true); }, end_all({kProtocol})},
      {"9113 §5.1", "RST_STREAM on an idle stream", [](Talk& t) { t.reset(t.subject); }, end_all({kProtocol})},
      {"9113 §5.1", "WINDOW_UPDATE on an idle stream", [](Talk& t) { t.window_update(t.subject, 1); },
       end_all({kProtocol})},
      {"9113 §5.1", "CONTINUATION on an idle stream",
       [](Talk& t) { t.send(kContinuation, kEndHead, t.subject, Talk::kGet); },
       end_all({kProtocol})},
      {"9113 §5.1", "PRIORITY on an idle stream", [](Talk& t) { t.send(kPriority, 0, t.subject, zeros(5)); },
       be_ignored()},

      {"9113 §5.1", "DATA on a half-closed stream", [](Talk& t) { t.half_close(), t.data(t.subject, "x", true); },
       end_all({kClosed})},
      {"9113 §5.1", "HEADERS on a half-closed stream",
       [](Talk& t) { t.half_close(), t.send(kHeaders, kWhole, t.subject, Talk::kGet); }, end_all({kClosed})},
      {"9113 §5.1", "PRIORITY on a half-closed stream",
       [](Talk& t) { t.half_close(), t.send(kPriority, 0, t.subject, zeros(5)); }, be_ignored()},
      {"9113 §5.1", "WINDOW_UPDATE on a half-closed stream",
       [](Talk& t) { t.half_close(), t.window_update(t.subject, 9); },
       be_ignored()},
      {"9113 §5.1", "RST_STREAM on a half-closed stream", [](Talk& t) { t.half_close(), t.reset(t.subject); },
       be_ignored()},

      {"9113 §5.1", "DATA on a closed stream", [](Talk& t) { t.close(), t.data(t.subject, "x", true); },
       end_all({kClosed})},
      {"9113 §5.1", "HEADERS on a closed stream",
       [](Talk& t) { t.close(), t.send(kHeaders, kWhole, t.subject, Talk::kGet); },
       end_all({kClosed})},
      {"9113 §5.1", "CONTINUATION on a closed stream",
       [](Talk& t) { t.close(), t.send(kContinuation, kEndHead, t.subject, "\x88"); }, end_all({kClosed, kProtocol})},
      {"9113 §5.1", "PRIORITY on a closed stream",
       [](Talk& t) { t.close(), t.send(kPriority, 0, t.subject, zeros(5)); },
       be_ignored()},
      {"9113 §5.1", "WINDOW_UPDATE on a closed stream", [](Talk& t) { t.close(), t.window_update(t.subject, 9); },
       be_ignored()},
      {"9113 §5.1", "RST_STREAM on a closed stream", [](Talk& t) { t.close(), t.reset(t.subject); }, be_ignored()},

      {"9113 §5.1", "DATA behind its own reset", [](Talk& t) { t.close_by_reset(), t.data(t.subject, "x", true); },
       end_all({kClosed})},
      {"9113 §5.1", "HEADERS behind its own reset",
       [](Talk& t) { t.close_by_reset(), t.send(kHeaders, kWhole, t.subject, Talk::kGet); }, end_all({kClosed})},
      {"9113 §5.1", "CONTINUATION behind its own reset",
       [](Talk& t) { t.close_by_reset(), t.send(kContinuation, kEndHead, t.subject, "\x88"); },
       end_all({kClosed, kProtocol})},
      {"9113 §5.1", "PRIORITY, WINDOW_UPDATE and RST_STREAM behind its own reset",
       [](Talk& t) {
         t.close_by_reset(), t.send(kPriority, 0, t.subject, zeros(5)), t.window_update(t.subject, 1), t.reset(t.subject);
       },
       be_ignored()},

      {"9113 §5.1", "DATA behind a reset of the proxy's",
       [](Talk& t) { t.be_reset(), t.data(t.subject, "on its way", true); },
       be_ignored()},
      {"9113 §5.1", "trailers behind a reset of the proxy's",
       [](Talk& t) { t.be_reset(), t.data(t.subject, "x"), t.trailers(t.subject, {{"x", "y"}}); }, be_ignored()},
      {"9113 §5.1", "WINDOW_UPDATE and RST_STREAM behind a reset of the proxy's",
       [](Talk& t) { t.be_reset(), t.window_update(t.subject, 1), t.reset(t.subject); }, be_ignored()},

      {"9113 §5.1.1", "a stream of the server's", [](Talk& t) { t.send(kHeaders, kWhole, 2, Talk::kGet); },
       end_all({kProtocol})},
      {"9113 §5.1.1", "a stream below one that was begun",
       [](Talk& t) { t.next_stream = 5, t.begin_raw(Talk::kGet), t.send(kHeaders, kWhole, 3, Talk::kGet); },
       end_all({kProtocol})},
      {"9113 §5.1.1", "streams that are passed over",
       [](Talk& t) { t.close(), t.next_stream = 101, t.begin_raw(Talk::kGet); },
       be_answered()},
      {"9113 §5.1.1", "frames on a stream that was passed over",
       [](Talk& t) { t.next_stream = 5, t.close(), t.window_update(3, 1), t.send(kPriority, 0, 1, zeros(5)); },
       be_ignored()},
      {"9113 §5.1.1", "the last stream there is",
       [](Talk& t) { t.send(kHeaders, kWhole, t.subject = INT32_MAX, Talk::kGet); }, be_answered()},
      {"9113 §5.1.2", "a stream above the limit, which was acknowledged",
       [](Talk& t) {
         t.until([&] { return !t.server_settings.empty(); });
         for (int i = 0; i < 101; ++i) t.begin(Http2Client::get("/wait"));
       },
       end_all({kProtocol, kRefused})},
  });
}

TEST_F(Http2Conformance, DataAndHeadersFrames) {
  check({
      {"9113 §6.1", "padded DATA",
       [](Talk& t) { t.open(), t.send(kData, kPadded | kEnd, t.subject, "\x03" "body" + zeros(3)); },
       be_answered(200, "body")},
      {"9113 §6.1", "DATA that is nothing but padding",
       [](Talk& t) { t.open(), t.send(kData, kPadded, t.subject, "\x03" + zeros(3)), t.data(t.subject, "body", true); },
       be_answered(200, "body")},
      {"9113 §6.1", "padding of no bytes",
       [](Talk& t) { t.open(), t.send(kData, kPadded | kEnd, t.subject, zeros(1) + "body"); },
       be_answered(200, "body")},
      {"9113 §6.1", "padding as long as the payload",
       [](Talk& t) { t.open(), t.send(kData, kPadded, t.subject, "\x05" "body"); },
       end_all({kProtocol})},
      {"9113 §6.1", "padding longer than the payload",
       [](Talk& t) { t.open(), t.send(kData, kPadded, t.subject, "\xff" "body"); },
       end_all({kProtocol})},
      {"9113 §6.1", "padding whose length is missing", [](Talk& t) { t.open(), t.send(kData, kPadded, t.subject); },
       end_all({kFrameSize, kProtocol})},
      {"9113 §6.1", "DATA without bytes that ends a body",
       [](Talk& t) { t.open(), t.data(t.subject, "body"), t.data(t.subject, ""), t.data(t.subject, "", true); },
       be_answered(200, "body")},
      {"9113 §6.2", "padded HEADERS",
       [](Talk& t) { t.begin_raw("\x05" + Talk::kGet + zeros(5), kWhole | kPadded); }, be_answered()},
      {"9113 §6.2", "HEADERS with padding and priority",
       [](Talk& t) { t.begin_raw("\x05" + be(0, 4) + "\x10" + Talk::kGet + zeros(5), kWhole | kPadded | kWithPriority); },
       be_answered()},
      {"9113 §6.2", "padding of HEADERS longer than the payload",
       [](Talk& t) { t.begin_raw("\xff" + Talk::kGet, kWhole | kPadded); }, end_all({kProtocol})},
      {"9113 §6.2", "padding of HEADERS that leaves no room for the priority",
       [](Talk& t) { t.begin_raw("\x05" + be(0, 4) + "\x10" + zeros(4), kWhole | kPadded | kWithPriority); },
       end_all({kProtocol, kFrameSize})},
      {"9113 §6.2", "HEADERS too short for their priority",
       [](Talk& t) { t.begin_raw(zeros(4), kWhole | kWithPriority); },
       end_all({kProtocol, kFrameSize})},
      {"9113 §6.2", "HEADERS on the connection", [](Talk& t) { t.send(kHeaders, kWhole, 0, Talk::kGet); },
       end_all({kProtocol})},
      {"9113 §6.2", "HEADERS without bytes", [](Talk& t) { t.begin_raw(""); }, be_reset({kProtocol})},
  });
}

TEST_F(Http2Conformance, PriorityAndResetFrames) {
  check({
      {"9113 §5.3.2", "HEADERS with a priority",
       [](Talk& t) { t.begin_raw(be(0x80000000u | 11, 4) + "\xff" + Talk::kGet, kWhole | kWithPriority); },
       be_answered()},
      {"9113 §6.3", "PRIORITY on the connection", [](Talk& t) { t.send(kPriority, 0, 0, zeros(5)); },
       end_all({kProtocol})},
      {"9113 §6.3", "PRIORITY of 4 bytes", [](Talk& t) { t.open("/wait"), t.send(kPriority, 0, t.subject, zeros(4)); },
       end_all({kFrameSize})},
      {"9113 §6.3", "PRIORITY of 6 bytes", [](Talk& t) { t.open("/wait"), t.send(kPriority, 0, t.subject, zeros(6)); },
       end_all({kFrameSize})},
      {"7540 §5.3.1", "a stream that HEADERS make depend on itself",
       [](Talk& t) { t.begin_raw(be(1, 4) + "\x10" + Talk::kGet, kWhole | kWithPriority); }, end_all({kProtocol})},
      {"9113 §5.3.2", "a stream that PRIORITY makes depend on itself, which no more matters",
       [](Talk& t) { t.open("/wait"), t.send(kPriority, 0, t.subject, be(1, 4) + "\x10"); }, be_ignored()},
      {"9113 §6.4", "RST_STREAM on the connection", [](Talk& t) { t.send(kReset, 0, 0, be(8, 4)); },
       end_all({kProtocol})},
      {"9113 §6.4", "RST_STREAM of 3 bytes", [](Talk& t) { t.open("/wait"), t.send(kReset, 0, t.subject, zeros(3)); },
       end_all({kFrameSize})},
      {"9113 §6.4", "RST_STREAM of 5 bytes", [](Talk& t) { t.open("/wait"), t.send(kReset, 0, t.subject, zeros(5)); },
       end_all({kFrameSize})},
      {"9113 §7", "RST_STREAM with an unknown code", [](Talk& t) { t.open("/wait"), t.reset(t.subject, 0xfeedu); },
       be_ignored()},
      {"9113 §6.6", "PUSH_PROMISE",
       [](Talk& t) { t.open("/wait"), t.send(kPush, kEndHead, t.subject, be(2, 4) + Talk::kGet); },
       end_all({kProtocol})},
  });
}

TEST_F(Http2Conformance, SettingsFrames) {
  check({
      {"9113 §6.5", "an acknowledgement that holds something",
       [](Talk& t) { t.send(kSettings, kAck, 0, setting(4, 1)); },
       end_all({kFrameSize})},
      {"9113 §6.5", "SETTINGS on a stream", [](Talk& t) { t.send(kSettings, 0, 1); }, end_all({kProtocol})},
      {"9113 §6.5", "a length that is no multiple of 6", [](Talk& t) { t.send(kSettings, 0, 0, zeros(7)); },
       end_all({kFrameSize})},
      {"9113 §6.5.2", "an unknown setting", [](Talk& t) { t.settings({{0xfefe, 0xffffffffu}}); }, be_ignored()},
      {"9113 §6.5.2", "ENABLE_PUSH of 1", [](Talk& t) { t.settings({{2, 1}}); }, be_ignored()},
      {"9113 §6.5.2", "ENABLE_PUSH of 2", [](Talk& t) { t.settings({{2, 2}}); }, end_all({kProtocol})},
      {"9113 §6.5.2", "INITIAL_WINDOW_SIZE of 2^31 - 1", [](Talk& t) { t.settings({{4, 0x7fffffffu}}); }, be_ignored()},
      {"9113 §6.5.2", "INITIAL_WINDOW_SIZE of 2^31", [](Talk& t) { t.settings({{4, 0x80000000u}}); }, end_all({kFlow})},
      {"9113 §6.5.2", "MAX_FRAME_SIZE of 2^14 - 1", [](Talk& t) { t.settings({{5, 16383}}); }, end_all({kProtocol})},
      {"9113 §6.5.2", "MAX_FRAME_SIZE of 2^24 - 1", [](Talk& t) { t.settings({{5, 0xffffff}}); }, be_ignored()},
      {"9113 §6.5.2", "MAX_FRAME_SIZE of 2^24", [](Talk& t) { t.settings({{5, 0x1000000}}); }, end_all({kProtocol})},
      {"9113 §6.5.2", "HEADER_TABLE_SIZE of 2^32 - 1", [](Talk& t) { t.settings({{1, 0xffffffffu}}); }, be_ignored()},
      {"9113 §6.5.2", "MAX_CONCURRENT_STREAMS of none", [](Talk& t) { t.settings({{3, 0}}); }, be_ignored()},
      {"9113 §6.5.2", "MAX_HEADER_LIST_SIZE of none, which is but advice", [](Talk& t) { t.settings({{6, 0}}); },
       be_ignored()},
      {"8441 §3", "ENABLE_CONNECT_PROTOCOL of 2", [](Talk& t) { t.settings({{8, 2}}); }, end_all({kProtocol})},
      {"9218 §2.1", "NO_RFC7540_PRIORITIES of 2", [](Talk& t) { t.settings({{9, 2}}); }, end_all({kProtocol})},
      {"9113 §6.5.3", "a value that a later one of the same frame replaces",
       [](Talk& t) { t.settings({{4, 0}, {4, 100}}), t.subject = t.begin(Http2Client::post("/"), false), t.data(1, "body", true); },
       be_answered(200, "body")},
  });
}

TEST_F(Http2Conformance, PingGoawayAndWindowFrames) {
  check({
      {"9113 §6.7", "PING on a stream", [](Talk& t) { t.send(kPing, 0, 1, zeros(8)); }, end_all({kProtocol})},
      {"9113 §6.7", "PING of 7 bytes", [](Talk& t) { t.send(kPing, 0, 0, zeros(7)); }, end_all({kFrameSize})},
      {"9113 §6.7", "PING of 9 bytes", [](Talk& t) { t.send(kPing, 0, 0, zeros(9)); }, end_all({kFrameSize})},
      {"9113 §6.8", "GOAWAY on a stream", [](Talk& t) { t.open("/wait"), t.send(kGoaway, 0, t.subject, zeros(8)); },
       end_all({kProtocol})},
      {"9113 §6.8", "GOAWAY of 7 bytes", [](Talk& t) { t.send(kGoaway, 0, 0, zeros(7)); }, end_all({kFrameSize})},
      {"9113 §6.8", "GOAWAY while a request is under way",
       [](Talk& t) { t.open(), t.send(kGoaway, 0, 0, zeros(8) + "farewell"), t.data(t.subject, "body", true); },
       be_answered(200, "body")},
      {"9113 §7", "GOAWAY with an unknown code",
       [](Talk& t) { t.open(), t.send(kGoaway, 0, 0, be(0, 4) + be(0xfeed, 4)), t.data(t.subject, "body", true); },
       be_answered(200, "body")},
      {"9113 §6.9", "WINDOW_UPDATE of 0 on the connection", [](Talk& t) { t.window_update(0, 0); },
       end_all({kProtocol})},
      {"9113 §6.9", "WINDOW_UPDATE of 0 on a stream", [](Talk& t) { t.open("/wait"), t.window_update(t.subject, 0); },
       end_all({kProtocol})},
      {"9113 §6.9", "WINDOW_UPDATE of 3 bytes", [](Talk& t) { t.send(kWindow, 0, 0, zeros(3)); },
       end_all({kFrameSize})},
      {"9113 §6.9", "WINDOW_UPDATE of 5 bytes", [](Talk& t) { t.send(kWindow, 0, 0, zeros(5)); },
       end_all({kFrameSize})},
      {"9113 §6.9", "the reserved bit of WINDOW_UPDATE", [](Talk& t) { t.window_update(0, 0x80000001u); },
       be_ignored()},
      {"9113 §6.9.1", "a window of the connection above 2^31 - 1", [](Talk& t) { t.window_update(0, 0x7fffffff); },
       end_all({kFlow})},
      {"9113 §6.9.1", "one that gets there step by step",
       [](Talk& t) { t.window_update(0, 0x7fff0000), t.window_update(0, 0xffff); }, end_all({kFlow})},
      {"9113 §6.9.1", "a window of a stream above 2^31 - 1",
       [](Talk& t) { t.open("/wait"), t.window_update(t.subject, 0x7fffffff); }, be_reset({kFlow})},
      {"9113 §6.9.2", "SETTINGS that make a stream's window overflow",
       [](Talk& t) { t.open("/wait"), t.window_update(t.subject, 0x7fff0000), t.settings({{4, 0x7fffffffu}}); },
       end_all({kFlow})},
      {"9113 §6.9.1", "a body that heeds no window",
       [](Talk& t) {
         t.open("/wait");
         for (int i = 0; i < 4096 && !t.of(t.subject).reset; ++i) {
           t.send(kData, 0, t.subject, zeros(kMostInFrame));
           while (!t.ended && !t.transport().quiet(0)) t.next();
         }
       },
       be_reset({kFlow})},
  });
}

TEST_F(Http2Conformance, Section6_7_EchoesPingsAndAcknowledgesSettingsInTheirOrder) {
  Talk talk(slot.https);
  for (std::uint16_t i = 0; i < 5; ++i) talk.settings({{4, 70000u + i}});
  talk.send(kPing, 0, 0, "01234567");
  EXPECT_TRUE(talk.until([&] { return talk.settings_acks == 6 && talk.pongs == 1; }));
  EXPECT_EQ(talk.last_pong, "01234567");
  talk.send(kPing, kAck, 0, "76543210");
  talk.send(kPing, 0, 0, "a second");
  EXPECT_TRUE(talk.until([&] { return talk.pongs == 2; }));
  EXPECT_EQ(talk.last_pong, "a second") << "an answer is not answered";
}

// What DATA came up to the answer to a PING.
std::vector<std::size_t> data_frames(Talk& talk) {
  std::vector<std::size_t> sizes;
  const auto pongs = talk.pongs;
  talk.send(kPing, 0, 0, zeros(8));
  while (talk.pongs == pongs) {
    const auto frame = talk.next();
    if (!frame) break;
    if (frame->type == kData && !frame->payload.empty()) sizes.push_back(frame->payload.size());
  }
  return sizes;
}

using Sizes = std::vector<std::size_t>;

TEST_F(Http2Conformance, Section6_9_AnswersKeepToTheWindowOfTheirStream) {
  Talk talk(slot.https, 3);
  talk.gives_window = false;
  talk.subject = talk.begin(Http2Client::get("/big"));
  talk.until([&] { return talk.of(talk.subject).body.size() == 3; });
  EXPECT_EQ(data_frames(talk), Sizes{});
  talk.window_update(talk.subject, 2);
  talk.until([&] { return talk.of(talk.subject).body.size() == 5; });
  talk.settings({{4, 2}});  // one less: -1
  EXPECT_EQ(data_frames(talk), Sizes{});
  talk.window_update(talk.subject, 1);  // 0
  EXPECT_EQ(data_frames(talk), Sizes{});
  talk.window_update(talk.subject, 1);
  talk.until([&] { return talk.of(talk.subject).body.size() == 6; });
  talk.settings({{4, 4}});
  talk.until([&] { return talk.of(talk.subject).body.size() == 8; });
  EXPECT_EQ(data_frames(talk), Sizes{});
  EXPECT_EQ(talk.of(talk.subject).body.size(), 8u);
}

TEST_F(Http2Conformance, Section6_9_AnswersKeepToTheWindowOfTheConnection) {
  Talk talk(slot.https, 1 << 20);
  talk.gives_window = false;
  talk.subject = talk.begin(Http2Client::get("/big"));
  talk.until([&] { return talk.of(talk.subject).body.size() == 65535; });
  talk.settings({{4, 1 << 21}});  // which does not concern the connection
  EXPECT_EQ(data_frames(talk), Sizes{});
  EXPECT_EQ(talk.of(talk.subject).body.size(), 65535u);
  talk.window_update(0, 10);
  talk.until([&] { return talk.of(talk.subject).body.size() == 65545; });
  EXPECT_EQ(data_frames(talk), Sizes{});
}

TEST_F(Http2Conformance, Section4_2_AnswersKeepToTheClientsFrameSize) {
  for (const std::uint32_t most : {16384u, 20000u}) {
    Talk talk(slot.https, 1 << 20);
    talk.settings({{5, most}});
    talk.subject = talk.begin(Http2Client::get("/big"));
    while (!talk.of(talk.subject).ended) {
      const auto frame = talk.next();
      ASSERT_TRUE(frame.has_value());
      EXPECT_LE(frame->payload.size(), most);
    }
    EXPECT_EQ(talk.of(talk.subject).body.size(), 100000u);
  }
}

TEST_F(Http2Conformance, Section6_9_TheConnectionsWindowOutlivesBodiesThatNobodyWants) {
  Talk talk(slot.https);
  talk.be_reset();
  const auto given = talk.windows[0];
  for (int i = 0; i < 100; ++i) talk.send(kData, 0, talk.subject, zeros(kMostInFrame));  // more than the window
  EXPECT_TRUE(talk.until([&] { return talk.windows[0] >= given + (1u << 20); }));
  talk.open();
  talk.data(talk.subject, "body", true);
  EXPECT_EQ(talk.answer(talk.subject).body, "body");
}

}  // namespace
}  // namespace fleet::test
