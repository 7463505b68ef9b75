// The client's side of a connection of HTTP/2, as bytes in and bytes out: many requests at a time, each judged by itself.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/client.hpp"

struct nghttp2_session;

namespace fleet::test {

struct Http2Request {
  std::string method = "GET", authority, path = "/";
  std::vector<std::pair<std::string, std::string>> fields = {};  // names in lower case
  std::string body = {};
};

struct Http2Outcome {
  std::uint64_t number = 0;  // of the request
  Expected<Response> answer;
  // A GOAWAY says that the server has not looked at it and never will (RFC 9113 §6.8): it may be sent again elsewhere.
  // Whatever else lacks a whole answer has failed.
  bool unprocessed = false;
};

class Http2Streams {
 public:
  Http2Streams();
  ~Http2Streams();
  Http2Streams(const Http2Streams&) = delete;

  // False from the first GOAWAY on, whatever it lets finish, and from the end on.
  bool takes_more() const { return !leaving_ && !over_; }
  bool over() const { return over_; }
  std::size_t under_way() const { return streams_.size(); }
  // `number` is the caller's. Only while it takes more.
  void begin(std::uint64_t number, const Http2Request& request);

  void receive(std::string_view bytes);
  // There is no more to come: whatever is under way has failed.
  void end(const Failure& why);
  // To be sent; what was is to be erased.
  std::string& out() { return out_; }
  // Since it was asked last.
  std::vector<Http2Outcome> outcomes() { return std::exchange(outcomes_, {}); }

 private:
  struct Callbacks;
  struct Stream {
    std::uint64_t number = 0;
    std::string to_send;
    Response response;
    bool whole = false;  // END_STREAM came
  };
  struct Free {
    void operator()(nghttp2_session* session) const;
  };
  void collect();
  void closed(std::int32_t id, std::uint32_t code);

  std::unique_ptr<nghttp2_session, Free> session_;
  std::map<std::int32_t, Stream> streams_;
  std::string out_;
  std::vector<Http2Outcome> outcomes_;
  bool leaving_ = false, over_ = false;
  std::int32_t last_stream_ = 0;  // of the last GOAWAY
};

}  // namespace fleet::test
