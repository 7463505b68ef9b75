// What RFC 9113 and RFC 7541 say must become of what a client sends, as tables: steps, and what follows them.
#pragma once

#include <initializer_list>

#include "http2_fixture.hpp"

namespace fleet::test {

namespace h2 {
enum Type : std::uint8_t { kData, kHeaders, kPriority, kReset, kSettings, kPush, kPing, kGoaway, kWindow, kContinuation };
enum Flag : std::uint8_t { kAck = 1, kEnd = 1, kEndHead = 4, kPadded = 8, kWithPriority = 32, kWhole = kEnd | kEndHead };
enum Code : std::uint32_t {
  kProtocol = NGHTTP2_PROTOCOL_ERROR,
  kFlow = NGHTTP2_FLOW_CONTROL_ERROR,
  kClosed = NGHTTP2_STREAM_CLOSED,
  kFrameSize = NGHTTP2_FRAME_SIZE_ERROR,
  kRefused = NGHTTP2_REFUSED_STREAM,
  kCompression = NGHTTP2_COMPRESSION_ERROR,
};
}  // namespace h2

// One connection, and the stream that a row is about.
class Http2Talk : public Http2Client {
 public:
  using Http2Client::Http2Client;
  // A request without fields of its own, in HPACK that neither uses nor changes a dynamic table.
  static const std::string kGet, kPost;

  std::int32_t subject = 1;
  std::int32_t begin_raw(const std::string& block, int flags = h2::kWhole);
  void open(const std::string& path = "/") { subject = begin(post(path), false); }  // its body may follow
  void half_close() { subject = begin(get("/wait")); }                             // no answer comes
  void close() { answer(subject = begin(get("/"))); }
  void close_by_reset() { open("/wait"), reset(subject); }
  void be_reset();  // by the proxy, while the body was still to come
};

struct Must {
  enum class Be : std::uint8_t { answered, ignored, reset, ended } be;
  std::vector<std::uint32_t> codes = {};  // one of these
  int status = 0;
  std::optional<std::string> body = {};
};
// The stream: with this status; an application of ours answers a request with its body.
Must be_answered(int status = 200, std::optional<std::string> body = {});
// Nothing comes of it, and the connection goes on.
Must be_ignored();
// A stream error: RST_STREAM, no answer, and the connection goes on.
Must be_reset(std::initializer_list<std::uint32_t> codes);
// A connection error: GOAWAY, and then its end.
Must end_all(std::initializer_list<std::uint32_t> codes);

struct Row {
  const char *section, *what;
  void (*steps)(Http2Talk& talk);
  Must must;
  bool begun = true;  // preface and SETTINGS were sent
};

class Http2Conformance : public ProxyHttp2 {
 protected:
  void SetUp() override;
  // Each on a connection of its own.
  void check(std::initializer_list<Row> rows);

 private:
  void check(const Row& row);
  void goes_on(Http2Talk& talk);
};

}  // namespace fleet::test
