// RFC 9113 §8, but for what http2_malformed_test.cpp has, and RFC 7541.
#include "http2_conformance.hpp"

namespace fleet::test {
namespace {

using namespace h2;
using namespace std::string_literals;
using Talk = Http2Talk;

// A request by pseudo fields and others, as they are.
void ask(Talk& t, const Fields& fields) { t.subject = t.begin(fields); }
void ask_with(Talk& t, const Fields& more) { ask(t, Http2Client::get("/", "shop.test", more)); }

// HPACK (RFC 7541): fields beside kGet's, in bytes.
void get_with(Talk& t, const std::string& bytes) { t.begin_raw(Talk::kGet + bytes); }

TEST_F(Http2Conformance, Section8_1_FramesOfAMessage) {
  check({
      {"9113 §8.1", "HEADERS, DATA and trailers",
       [](Talk& t) { t.open(), t.data(t.subject, "body"), t.trailers(t.subject, {{"x-sum", "1"}}); },
       be_answered(200, "body")},
      {"9113 §8.1", "trailers and no DATA", [](Talk& t) { t.open(), t.trailers(t.subject, {{"x-sum", "1"}}); },
       be_answered(200, "")},
      {"9113 §8.1", "trailers of no fields",
       [](Talk& t) { t.open(), t.data(t.subject, "body"), t.trailers(t.subject, {}); },
       be_answered(200, "body")},
      {"9113 §8.1", "a second head that does not end the stream",
       [](Talk& t) { t.open(), t.send(kHeaders, kEndHead, t.subject, t.pack({{"x", "y"}})); }, be_reset({kProtocol})},
      {"9113 §8.1", "a second request on the stream",
       [](Talk& t) { t.open(), t.send(kHeaders, kWhole, t.subject, Talk::kGet); }, be_reset({kProtocol})},
      {"9113 §8.1", "DATA behind trailers",
       [](Talk& t) { t.open("/wait"), t.trailers(t.subject, {{"x", "y"}}), t.data(t.subject, "x", true); },
       end_all({kClosed})},
      {"9113 §8.1", "trailers behind trailers",
       [](Talk& t) { t.open("/wait"), t.trailers(t.subject, {{"x", "y"}}), t.trailers(t.subject, {{"x", "y"}}); },
       end_all({kClosed})},
      {"9113 §8.1.1", "less DATA than the length, and trailers",
       [](Talk& t) {
         t.subject = t.begin(Http2Client::post("/", {{"content-length", "5"}}), false);
         t.data(t.subject, "four"), t.trailers(t.subject, {{"x", "y"}});
       },
       be_reset({kProtocol})},
      {"9113 §8.1.1", "more DATA than the length in several frames",
       [](Talk& t) {
         t.subject = t.begin(Http2Client::post("/", {{"content-length", "5"}}), false);
         for (int i = 0; i < 3; ++i) t.data(t.subject, "two", i == 2);
       },
       be_reset({kProtocol})},
      {"9113 §8.1.1", "the length in several frames",
       [](Talk& t) {
         t.subject = t.begin(Http2Client::post("/", {{"content-length", "6"}}), false);
         for (int i = 0; i < 3; ++i) t.data(t.subject, "ab", i == 2);
       },
       be_answered(200, "ababab")},
      {"9113 §8.1.1", "a length of 0 and no DATA", [](Talk& t) { ask_with(t, {{"content-length", "0"}}); },
       be_answered()},
      {"9113 §8.1.1", "a length of 0 and DATA without bytes",
       [](Talk& t) { t.subject = t.begin(Http2Client::post("/", {{"content-length", "0"}}), false), t.data(1, "", true); },
       be_answered(200, "")},
      {"9113 §8.1.1", "a length that is a list", [](Talk& t) { ask_with(t, {{"content-length", "0, 0"}}); },
       be_reset({kProtocol})},
      {"9113 §8.1.1", "a length that is hexadecimal",
       [](Talk& t) { t.subject = t.begin(Http2Client::post("/", {{"content-length", "0x1"}}), false), t.data(1, "a", true); },
       be_reset({kProtocol})},
      {"9113 §8.1.1", "a length without digits", [](Talk& t) { ask_with(t, {{"content-length", ""}}); },
       be_reset({kProtocol})},
      {"9113 §8.8", "a request that ends in a frame of its own", [](Talk& t) { t.open(), t.data(t.subject, "", true); },
       be_answered(200, "")},
  });
}

TEST_F(Http2Conformance, Section8_2_Fields) {
  check({
      {"9113 §8.2.1", "an upper case letter in a name of trailers",
       [](Talk& t) { t.open(), t.trailers(t.subject, {{"X-Sum", "1"}}); }, be_reset({kProtocol})},
      {"9113 §8.2.1", "CR LF in a value of trailers",
       [](Talk& t) { t.open(), t.trailers(t.subject, {{"x", "a\r\nb: c"}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.1", "NUL in a value of trailers", [](Talk& t) { t.open(), t.trailers(t.subject, {{"x", "a\0b"s}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.1", "CR LF in a name of trailers",
       [](Talk& t) { t.open(), t.trailers(t.subject, {{"x: y\r\nz", "1"}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.1", "a colon in a name of trailers", [](Talk& t) { t.open(), t.trailers(t.subject, {{"x:y", "1"}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.1", "no name in trailers", [](Talk& t) { t.open(), t.trailers(t.subject, {{"", "1"}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.1", "a blank around a value of trailers",
       [](Talk& t) { t.open(), t.trailers(t.subject, {{"x", " 1"}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.1", "DEL in a name", [](Talk& t) { ask_with(t, {{"x\x7f", "1"}}); }, be_reset({kProtocol})},
      {"9113 §8.2.1", "a name beyond ASCII", [](Talk& t) { ask_with(t, {{"x\xc3\xa4", "1"}}); }, be_reset({kProtocol})},
      {"9113 §8.2.1", "a tab before a value", [](Talk& t) { ask_with(t, {{"x", "\t1"}}); }, be_reset({kProtocol})},
      {"9113 §8.2.1", "an escape in a value", [](Talk& t) { ask_with(t, {{"x", "\x1b[2J"}}); }, be_reset({kProtocol})},
      {"9113 §8.2.1", "a value of nothing", [](Talk& t) { ask_with(t, {{"x", ""}}); }, be_answered()},
      {"9113 §8.2.1", "a value beyond ASCII", [](Talk& t) { ask_with(t, {{"x", "\xc3\xa4"}}); }, be_answered()},
      {"9113 §8.2.2", "Connection in trailers",
       [](Talk& t) { t.open(), t.trailers(t.subject, {{"connection", "close"}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.2", "Transfer-Encoding in trailers",
       [](Talk& t) { t.open(), t.trailers(t.subject, {{"transfer-encoding", "chunked"}}); }, be_reset({kProtocol})},
      {"9113 §8.2.2", "TE of trailers and another", [](Talk& t) { ask_with(t, {{"te", "trailers, deflate"}}); },
       be_reset({kProtocol})},
      {"9113 §8.2.3", "cookies in pieces", [](Talk& t) { ask_with(t, {{"cookie", "a=1"}, {"cookie", "b=2"}}); },
       be_answered()},
  });
}

TEST_F(Http2Conformance, Section8_3_ControlData) {
  check({
      {"9113 §8.3", "an unknown pseudo field", [](Talk& t) { ask_with(t, {{":foo", "1"}}); }, be_reset({kProtocol})},
      {"9113 §8.3", "an unknown pseudo field before all",
       [](Talk& t) {
         auto fields = Http2Client::get("/");
         fields.insert(fields.begin(), {":foo", "1"});
         ask(t, fields);
       },
       be_reset({kProtocol})},
      {"9113 §8.3", "a name that is a colon", [](Talk& t) { ask_with(t, {{":", "1"}}); }, be_reset({kProtocol})},
      {"9113 §8.3", "a pseudo field in upper case",
       [](Talk& t) { ask(t, {{":METHOD", "GET"}, {":scheme", "https"}, {":authority", "shop.test"}, {":path", "/"}}); },
       be_reset({kProtocol})},
      {"9113 §8.3", "a pseudo field of answers in trailers",
       [](Talk& t) { t.open(), t.trailers(t.subject, {{":status", "200"}}); }, be_reset({kProtocol})},
      {"9113 §8.3", "a method in trailers", [](Talk& t) { t.open(), t.trailers(t.subject, {{":method", "GET"}}); },
       be_reset({kProtocol})},
      {"9113 §8.3.1", "pseudo fields in any order",
       [](Talk& t) { ask(t, {{":path", "/"}, {":authority", "shop.test"}, {":scheme", "https"}, {":method", "GET"}}); },
       be_answered()},
      {"9113 §8.3.1", "an authority of nothing",
       [](Talk& t) { ask(t, {{":method", "GET"}, {":scheme", "https"}, {":authority", ""}, {":path", "/"}}); },
       be_reset({kProtocol})},
      {"9113 §8.3.1", "a method of nothing",
       [](Talk& t) { ask(t, {{":method", ""}, {":scheme", "https"}, {":authority", "shop.test"}, {":path", "/"}}); },
       be_reset({kProtocol})},
      {"9113 §8.3.1", "* as the path of OPTIONS",
       [](Talk& t) { ask(t, {{":method", "OPTIONS"}, {":scheme", "https"}, {":authority", "shop.test"}, {":path", "*"}}); },
       be_answered()},
      {"9113 §8.3.1", "a fragment in the path", [](Talk& t) { ask(t, Http2Client::get("/a#b")); },
       be_reset({kProtocol})},
      {"9113 §8.3.1", "a path beyond ASCII", [](Talk& t) { ask(t, Http2Client::get("/\xc3\xa4")); },
       be_reset({kProtocol})},
      {"9113 §8.3.1", "a method of its own",
       [](Talk& t) { ask(t, {{":method", "BREW"}, {":scheme", "https"}, {":authority", "shop.test"}, {":path", "/"}}); },
       be_answered()},
      {"9113 §8.5", "CONNECT", [](Talk& t) { ask(t, {{":method", "CONNECT"}, {":authority", "shop.test:443"}}); },
       be_reset({kProtocol})},
      {"9113 §8.5", "CONNECT with a path",
       [](Talk& t) { ask(t, {{":method", "CONNECT"}, {":authority", "shop.test:443"}, {":path", "/"}}); },
       be_reset({kProtocol})},
      {"9113 §8.5", "CONNECT with a scheme",
       [](Talk& t) { ask(t, {{":method", "CONNECT"}, {":scheme", "https"}, {":authority", "shop.test:443"}}); },
       be_reset({kProtocol})},
      {"9113 §8.5", "CONNECT without an authority", [](Talk& t) { ask(t, {{":method", "CONNECT"}}); },
       be_reset({kProtocol})},
      {"8441 §4", "a protocol for GET", [](Talk& t) { ask_with(t, {{":protocol", "websocket"}}); },
       be_reset({kProtocol})},
      {"8441 §4", "a protocol for GET, before all fields",
       [](Talk& t) {
         auto fields = Http2Client::get("/");
         fields.emplace_back(":protocol", "websocket");
         ask(t, fields);
       },
       be_reset({kProtocol})},
      {"8441 §4", "an extended CONNECT without a path",
       [](Talk& t) {
         ask(t, {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":authority", "shop.test"}});
       },
       be_reset({kProtocol})},
      {"8441 §4", "an extended CONNECT without a scheme",
       [](Talk& t) { ask(t, {{":method", "CONNECT"}, {":protocol", "websocket"}, {":path", "/"}, {":authority", "shop.test"}}); },
       be_reset({kProtocol})},
      {"8441 §4", "an extended CONNECT without an authority",
       [](Talk& t) { ask(t, {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", "/"}}); },
       be_reset({kProtocol})},
      {"8441 §5", "an extended CONNECT with the fields of an upgrade",
       [](Talk& t) {
         ask(t, {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", "/"},
                 {":authority", "shop.test"}, {"connection", "upgrade"}, {"upgrade", "websocket"}});
       },
       be_reset({kProtocol})},
  });
}

TEST_F(Http2Conformance, Hpack_FormsThatAreAllowed) {
  check({
      {"7541 §6.2.2", "a literal without indexing, and a new name", [](Talk& t) { get_with(t, "\0\1x\1y"s); },
       be_answered()},
      {"7541 §6.2.3", "a literal that is never indexed", [](Talk& t) { get_with(t, "\x10\1x\1y"); }, be_answered()},
      {"7541 §6.2.1", "a literal that the next request names by its index",
       [](Talk& t) { t.answer(t.begin_raw(Talk::kGet + "\x40\1x\1y")), get_with(t, "\xbe"); }, be_answered()},
      {"7541 §5.2", "a string in Huffman's code", [](Talk& t) { get_with(t, "\0\x81\xf3\1y"s); }, be_answered()},
      {"7541 §5.2", "one that is padded by seven bits", [](Talk& t) { get_with(t, "\0\1x\x83\x18\xfc\xff"s); },
       be_answered()},
      {"7541 §5.1", "an integer in more bytes than it needs",
       [](Talk& t) { get_with(t, "\0\1x\x7f\x80\x00"s + std::string(127, 'v')); },
       be_answered()},
      {"7541 §4.2", "a change of the table's size at the start", [](Talk& t) { t.begin_raw("\x20" + Talk::kGet); },
       be_answered()},
      {"7541 §4.2", "two of them", [](Talk& t) { t.begin_raw("\x20\x3f\xe1\x1f" + Talk::kGet); }, be_answered()},
      {"7541 §4.3", "what a change to 0 and back has evicted",
       [](Talk& t) {
         t.answer(t.begin_raw(Talk::kGet + "\x40\1x\1y"));
         t.begin_raw("\x20\x3f\xe1\x1f" + Talk::kGet + "\xbe");
       },
       end_all({kCompression})},
      {"7541 §4.4", "an entry larger than the table, which empties it",
       [](Talk& t) {
         t.answer(t.begin_raw(Talk::kGet + "\x40\1x\1y"));
         t.answer(t.begin_raw(Talk::kGet + "\x40\1z\x7f\xa1\x1f" + std::string(4128, 'v')));
         t.begin_raw(Talk::kGet + "\xbe");
       },
       end_all({kCompression})},
  });
}

TEST_F(Http2Conformance, Hpack_ErrorsOfDecoding) {
  check({
      {"7541 §6.1", "index 0", [](Talk& t) { get_with(t, "\x80"); }, end_all({kCompression})},
      {"7541 §2.3.3", "an index beyond both tables", [](Talk& t) { get_with(t, "\xbe"); }, end_all({kCompression})},
      {"7541 §2.3.3", "one beyond them for a name", [](Talk& t) { get_with(t, "\x7e\1y"); }, end_all({kCompression})},
      {"7541 §2.3.3", "one beyond them for a name that is not indexed", [](Talk& t) { get_with(t, "\x0f\x2f\1y"); },
       end_all({kCompression})},
      {"7541 §2.3.3", "one beyond what was added",
       [](Talk& t) { t.answer(t.begin_raw(Talk::kGet + "\x40\1x\1y")), get_with(t, "\xbf"); }, end_all({kCompression})},
      {"7541 §4.2", "a change of the table's size behind a field", [](Talk& t) { get_with(t, "\x20"); },
       end_all({kCompression})},
      {"7541 §4.2", "one between fields", [](Talk& t) { get_with(t, "\x20\0\1x\1y"s); }, end_all({kCompression})},
      {"7541 §6.3", "a table above the limit", [](Talk& t) { t.begin_raw("\x3f\xe2\x1f" + Talk::kGet); },
       end_all({kCompression})},
      {"7541 §6.3", "a table far above it", [](Talk& t) { t.begin_raw("\x3f\xff\xff\xff\xff\x0f" + Talk::kGet); },
       end_all({kCompression})},
      {"7541 §5.1", "an integer that overflows",
       [](Talk& t) { get_with(t, "\xff" + std::string(12, '\xff') + "\x01"); },
       end_all({kCompression})},
      {"7541 §5.1", "an integer that does not end", [](Talk& t) { get_with(t, "\xff\x80\x80"); },
       end_all({kCompression})},
      {"7541 §5.2", "a string longer than its block", [](Talk& t) { get_with(t, "\0\1x\x05y"s); },
       end_all({kCompression})},
      {"7541 §5.2", "a string of 2^32 bytes", [](Talk& t) { get_with(t, "\0\1x\x7f\x81\xff\xff\xff\x0fy"s); },
       end_all({kCompression})},
      {"7541 §5.2", "a name without a value", [](Talk& t) { get_with(t, "\0\1x"s); }, end_all({kCompression})},
      {"7541 §5.2", "padding of more than 7 bits", [](Talk& t) { get_with(t, "\0\1x\x82\xf3\xff"s); },
       end_all({kCompression})},
      {"7541 §5.2", "padding that is not all ones", [](Talk& t) { get_with(t, "\0\1x\x81\x18"s); },
       end_all({kCompression})},
      {"7541 §5.2", "the end of string in a string", [](Talk& t) { get_with(t, "\0\1x\x84\xff\xff\xff\xff"s); },
       end_all({kCompression})},
  });
}

TEST_F(Http2Conformance, Hpack_KeepsToTheClientsTable) {
  Talk talk(slot.https);
  talk.settings({{1, 0}});
  talk.until([&] { return talk.settings_acks == 2; });
  const auto stream = talk.begin(Http2Client::get("/"));
  std::optional<Frame> head;
  do head = talk.next();
  while (head && (head->type != kHeaders || head->stream != stream));
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->payload.front(), '\x20') << "it says that it has none";
  talk.answer(stream);
  EXPECT_EQ(talk.fetch(Http2Client::get("/")).status, 200);
  EXPECT_TRUE(talk.unpacks);
}

TEST_F(Http2Conformance, Hpack_ItsOwnBlocksStayReadable) {
  Talk talk(slot.https);
  for (const std::uint32_t size : {0u, 4096u, 100u, 65536u, 4096u}) {
    talk.settings({{1, size}});
    for (int i = 0; i < 3; ++i) EXPECT_EQ(talk.fetch(Http2Client::get("/")).field("content-length"), "0");
  }
  EXPECT_TRUE(talk.unpacks);
}

}  // namespace
}  // namespace fleet::test
