// One stream of HTTP/2: the client's half of one exchange, and the coroutine that runs it.
#pragma once

#include <nghttp2/nghttp2.h>

#include "exchange/client_side.hpp"
#include "http/http2_head.hpp"

namespace fleet::proxy {

class Http2Connection;
class Http2HeadOut;

template <class Tag>
using Http2Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                                   boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct Http2Sleeper {
  Wakeup own_wakeup;
  Deadline own_deadline{own_wakeup};
};

class Http2Stream final : private Http2Sleeper,
                          public ClientSide,
                          public Http2Hook<struct Http2Open>,
                          public Http2Hook<struct Http2Ready>,
                          public Http2Hook<struct Http2Waiting> {
 public:
  Http2Stream(Http2Connection& connection, std::int32_t id);
  ~Http2Stream();

  std::int32_t id() const { return id_; }

  enum class Stage : std::uint8_t { gathering, running, done };
  Stage stage = Stage::gathering;  // running: from when run() is spawned until it has returned
  // The request, whose head is whole, and its answer. Once.
  Task<> run();

  // ---- what nghttp2 tells. None of this wakes anybody.

  http::Http2Head head;                                             // of the request, gathered by the connection
  bool add_trailer(std::string_view name, std::string_view value);  // false: too much
  void add_body(std::string_view bytes);
  void end_input(bool with_head);
  void close(bool reset);  // reset: before both directions had ended
  bool input_ended() const { return input_ended_; }
  bool closed() const { return closed_; }
  // The next DATA frame: how much of it there is, as nghttp2_data_source_read_callback tells it, and then its bytes.
  ssize_t offer(std::size_t most, std::uint32_t& flags);
  void put(std::string_view frame_head, std::size_t size);

  // ---- ClientSide

  std::string_view protocol() const override { return "HTTP/2.0"; }

  bool receive() override { return std::exchange(news_, false); }
  http::Parsed<std::string_view> body() override { return body_.data(); }
  void body_taken(std::size_t n) override;
  bool body_ended() const override { return input_ended_ && body_.empty(); }
  std::string_view trailers() const override { return trailers_; }
  bool gone() const override { return gone_; }

  bool interim(const http::ResponseHead& response) override;
  bool takes_head() const override;
  void begin(const http::ResponseHead& response, const http::Framing& framing, const http::ResponseRewrite& rewrite,
             bool last) override;
  void begin_tunnel(const http::ResponseHead& response) override;
  std::size_t send(std::string_view bytes) override;
  bool end(const http::FieldList* trailers) override;
  std::size_t answer(const OwnAnswer& answer, bool request_whole) override;

  // What was taken is in the connection's hands.
  bool flush() override { return false; }
  bool flushed() const override { return true; }
  void arm(bool more) override;

 private:
  Task<> wait_for_output();
  Task<> linger();
  void refuse(const OwnAnswer& refusal);
  void finish(bool whole);
  void reset(std::uint32_t code);
  void respond(Http2HeadOut& out, bool with_body);
  void push();
  void drop_body();

  Http2Connection& connection_;
  const std::int32_t id_;

  // From the client
  Buffer body_;
  std::string trailers_;
  bool input_ended_ = false, no_body_ = false, news_ = false;
  bool unread_ = false;  // what still comes of it is dropped
  bool closed_ = false, gone_ = false;

  // To the client
  std::string_view source_;           // at hand to be sent: during a call of send(), or own_body_
  std::string own_body_;              // of an answer of our own
  std::optional<std::uint64_t> left_;  // to be sent, where that was told
  const http::FieldList* trailers_out_ = nullptr;  // during a call of end()
  http::Method method_ = http::Method::get;
  bool ending_ = false, output_ended_ = false;
  bool out_of_room_ = false, waits_for_window_ = false;
};

template <class Tag>
using Http2StreamList =
    boost::intrusive::list<Http2Stream, boost::intrusive::base_hook<Http2Hook<Tag>>, boost::intrusive::constant_time_size<false>>;

}  // namespace fleet::proxy
