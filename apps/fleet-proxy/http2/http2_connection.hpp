// HTTP/2 on one connection (RFC 9113): nghttp2 keeps its state, each request is an Exchange over one Http2Stream. What
// all streams have to say leaves in one write per round of the loop.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <vector>

#include "http2/http2_frame_heads.hpp"
#include "http2/http2_limits.hpp"
#include "http2/http2_stream.hpp"

namespace fleet::proxy {

class Http2Connection final : Deferred {
 public:
  Http2Connection(Proxy& proxy, Peer& peer);
  ~Http2Connection();

  // Returns when the connection is over and none of its streams is left.
  Task<> run();

  // ---- for its streams

  Proxy& proxy() { return proxy_; }
  Peer& peer() { return peer_; }
  nghttp2_session* session() { return session_.get(); }
  Buffer& out() { return out_; }
  // Moves what nghttp2 has to send to out(), as far as there is room; it is written at the end of the round.
  void pump();
  void write_soon() { proxy_.loop.at_end_of_round(*this); }
  bool covers(std::string_view authority);  // P13
  bool has_room_for_head() const { return out_.room() >= http::kMaxHead + 4096; }
  void wake_when_there_is_room(Http2Stream& stream);
  void wake_soon(Http2Stream& stream);

 private:
  friend struct Http2Events;  // what nghttp2 calls
  struct Free {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  void greet();
  bool receive();
  void feed(std::string_view bytes);
  void end_input();
  void start_streams();
  void start(Http2Stream& stream);
  void forget(Http2Stream& stream);
  void wake_streams();
  bool write();
  void flush();
  void run_deferred() override;

  void follow_drain();
  void end_with(std::uint32_t code);  // GOAWAY with it, and then the end
  void calm_down() { end_with(NGHTTP2_ENHANCE_YOUR_CALM); }  // S26
  bool over() const;
  void set_deadline();
  // W1 holds here too: what the client still sends must not destroy what it was told last.
  Task<> say_goodbye();
  bool discard_input();

  Proxy& proxy_;
  Peer& peer_;
  std::unique_ptr<nghttp2_session, Free> session_;
  Http2StreamList<Http2Open> streams_;
  Http2StreamList<Http2Ready> begun_, woken_;  // to be started, or woken: not from within nghttp2
  Http2StreamList<Http2Waiting> waiting_;      // for room in out_
  Buffer out_;
  std::string_view unqueued_;  // nghttp2's, until it is called again: what did not fit into out_
  TokenBucket resets_{Http2Limits::kResets, Http2Limits::kResetsPerSecond};
  TokenBucket empty_frames_{Http2Limits::kEmptyFrames, Http2Limits::kEmptyFramesPerSecond};
  std::string covered_;  // the authority that was asked for last, and might be
  std::size_t header_bytes_ = 0;  // of the header block under way, unpacked
  Clock::time_point idle_since_ = Clock::now(), written_at_ = idle_since_;
  std::optional<Clock::time_point> last_goaway_at_;  // W5
  std::vector<std::int32_t> refused_;  // streams that began too late, to be told so
  Http2FrameHeads heads_;
  std::size_t to_send_ = 0;  // frames, when the one that is coming in began
  unsigned running_ = 0;    // streams with an exchange
  bool begun_any_ = false;  // a request came
  bool ended_ = false;      // the client sends no more
  bool broken_ = false;     // nothing can be sent any more
  bool refusing_ = false;   // streams that begin now are refused
  bool overflow_ = false;   // SETTINGS made a window overflow
  bool leaving_ = false;    // all is said; what it still sends is not heard
};

}  // namespace fleet::proxy
