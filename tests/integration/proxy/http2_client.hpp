// HTTP/2 by hand: frames are made and read here, so that everything that must not be sent can be.
#pragma once

#include <nghttp2/nghttp2.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client.hpp"

namespace fleet::test {

struct Frame {
  std::uint8_t type = 0, flags = 0;
  std::int32_t stream = 0;
  std::string payload;
  std::uint32_t number(std::size_t at) const;  // big-endian, of the payload
};

using Fields = std::vector<std::pair<std::string, std::string>>;

// What has come of one stream so far.
struct Http2Answer {
  int status = 0;
  Fields fields, trailers;
  std::vector<int> interim;
  Fields interim_fields;
  std::string body;
  bool ended = false;                  // by END_STREAM
  std::optional<std::uint32_t> reset;  // RST_STREAM's code
  std::string field(const std::string& name) const;
};

class Http2Client {
 public:
  static constexpr std::uint32_t kWindow = 65535;
  // Connects with TLS and ALPN, and sends preface and SETTINGS. `window`: of each stream.
  explicit Http2Client(std::uint16_t port, std::uint32_t window = kWindow, const std::string& server_name = "shop.test");
  // Connects, and says nothing.
  struct Silent {};
  Http2Client(std::uint16_t port, Silent, const std::string& server_name = "shop.test");

  bool connected() const { return client_.connected(); }
  std::string protocol() const { return client_.application_protocol(); }
  Client& transport() { return client_; }

  // ---- sending
  static std::string big_endian(std::uint64_t value, unsigned bytes);
  static std::string frame(std::uint8_t type, std::uint8_t flags, std::int32_t stream, const std::string& payload = "");
  bool send(std::uint8_t type, std::uint8_t flags, std::int32_t stream, const std::string& payload = "");
  bool settings(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& all);
  bool window_update(std::int32_t stream, std::uint32_t by);
  bool reset(std::int32_t stream, std::uint32_t code = NGHTTP2_CANCEL);
  std::string pack(const Fields& fields);  // by HPACK, as they are
  static Fields get(const std::string& path, const std::string& host = "shop.test", Fields more = {});
  static Fields post(const std::string& path, Fields more = {}, const std::string& host = "shop.test");
  std::int32_t next_stream = 1;
  // A new stream. `ended`: no body follows.
  std::int32_t begin(const Fields& fields, bool ended = true);
  bool data(std::int32_t stream, const std::string& bytes, bool ended = false);
  bool trailers(std::int32_t stream, const Fields& fields);

  // ---- receiving. Settings and pings are acknowledged, windows opened unless told otherwise.
  bool gives_window = true, acknowledges = true;
  std::optional<Frame> next();  // null: the connection has ended, or 10 s passed
  // Reads until this holds; false: the end came before.
  bool until(const std::function<bool()>& condition);
  Http2Answer& of(std::int32_t stream) { return answers_[stream]; }
  // Until the stream has ended, one way or the other.
  Http2Answer& answer(std::int32_t stream);
  Http2Answer& fetch(const Fields& fields) { return answer(begin(fields)); }

  std::map<std::uint16_t, std::uint32_t> server_settings;
  std::vector<std::pair<std::int32_t, std::uint32_t>> goaways;  // last stream, code
  std::map<std::int32_t, std::uint64_t> windows;                // given by the server, by stream; 0: the connection
  unsigned pongs = 0, settings_acks = 0;
  std::string last_pong;
  bool unpacks = true;  // false: a header block came that HPACK does not allow
  bool ended = false;  // the connection

 private:
  void take(const Frame& frame);
  void take_headers(const Frame& frame);

  Client client_;
  std::string in_;
  std::map<std::int32_t, Http2Answer> answers_;
  struct Free {
    void operator()(nghttp2_hd_deflater* packer) const { nghttp2_hd_deflate_del(packer); }
    void operator()(nghttp2_hd_inflater* unpacker) const { nghttp2_hd_inflate_del(unpacker); }
  };
  std::unique_ptr<nghttp2_hd_deflater, Free> packer_;
  std::unique_ptr<nghttp2_hd_inflater, Free> unpacker_;
};

}  // namespace fleet::test
