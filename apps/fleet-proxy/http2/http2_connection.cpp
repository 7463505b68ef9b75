#include "http2/http2_connection.hpp"

#include <spdlog/spdlog.h>

#include "route/path.hpp"


extern "C" {
// Debian's nghttp2 1.52 has these from its security fixes, and does not declare them.
#if NGHTTP2_VERSION_NUM < 0x013900
NGHTTP2_EXTERN void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option* option, uint64_t burst, uint64_t rate);
#endif
#if NGHTTP2_VERSION_NUM < 0x013d00
NGHTTP2_EXTERN void nghttp2_option_set_max_continuations(nghttp2_option* option, size_t most);
#endif
}

namespace fleet::proxy {
namespace {

using Limit = Http2Limits;

constexpr unsigned kReadsPerTurn = 16;  // then others get theirs
constexpr std::chrono::seconds kGoawayPause{1};

char read_buffer[kBlock];  // of all connections: nghttp2 takes all that it is given

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

// None of these wakes an exchange: it would call nghttp2, which is not to be called from here.
struct Http2Events {
  static Http2Connection& of(void* user) { return *static_cast<Http2Connection*>(user); }
  static Http2Stream* stream_of(nghttp2_session* session, std::int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_frame(nghttp2_session* session, const nghttp2_frame_hd* head, void* user) {
    auto& self = of(user);
    self.to_send_ = nghttp2_session_get_outbound_queue_size(session);
    bool carries = head->type == NGHTTP2_HEADERS || head->type == NGHTTP2_CONTINUATION ||
                   head->type == NGHTTP2_RST_STREAM;  // counted elsewhere
    if (head->type == NGHTTP2_DATA) carries = head->length > 0 || (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!carries && !self.empty_frames_.take(Clock::now())) self.calm_down();
    // W5: nghttp2 is silent about them, and would not reset a stream that it has not seen yet.
    if (head->type == NGHTTP2_HEADERS && self.refusing_ &&
        head->stream_id > nghttp2_session_get_last_proc_stream_id(session)) {
      self.refused_.push_back(head->stream_id);
    }
    return 0;
  }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = of(user);
    self.header_bytes_ = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    auto* stream = new Http2Stream(self, frame->hd.stream_id);
    self.streams_.push_back(*stream);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* user) {
    auto& self = of(user);
    auto* stream = stream_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    self.header_bytes_ += name_size + value_size + 32;
    if (self.header_bytes_ > Limit::kHeaderBomb) self.calm_down();
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      stream->head.add(text(name, name_size), text(value, value_size));
      return 0;
    }
    return stream->add_trailer(text(name, name_size), text(value, value_size)) ? 0
                                                                              : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  // S24: nghttp2 would only leave it out.
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                               const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = of(user);
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
      // RFC 9113 §6.9.2. nghttp2 resets the streams whose windows overflow, and has more to send than its ACK.
      self.overflow_ |= nghttp2_session_get_outbound_queue_size(session) > self.to_send_ + 1;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    auto* stream = stream_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    const bool begins = frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      stream->end_input(begins);
      if (!begins) self.wake_soon(*stream);
    }
    if (begins) {
      self.empty_frames_.give(Limit::kEmptyFramesPerMessage);
      self.begun_.push_back(*stream);
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t size, void* user) {
    auto* stream = stream_of(session, id);
    if (!stream) {
      nghttp2_session_consume_connection(session, size);
      return 0;
    }
    stream->add_body(text(bytes, size));
    of(user).wake_soon(*stream);
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, std::int32_t id, std::uint32_t code, void* user) {
    auto& self = of(user);
    auto* stream = stream_of(session, id);
    if (!stream) return 0;
    const bool reset = code != NGHTTP2_NO_ERROR;
    stream->close(reset);
    if (reset && stream->stage != Http2Stream::Stage::done && !self.resets_.take(Clock::now())) self.calm_down();
    self.wake_soon(*stream);
    return 0;
  }

  static int put_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size,
                      nghttp2_data_source* source, void* user) {
    of(user).empty_frames_.give(Limit::kEmptyFramesPerMessage);
    static_cast<Http2Stream*>(source->ptr)->put(text(head, 9), size);
    return 0;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* all = nullptr;
    if (nghttp2_session_callbacks_new(&all) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_frame_callback(all, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(all, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(all, put_data);
    return all;
  }

  static nghttp2_option* options() {
    nghttp2_option* all = nullptr;
    if (nghttp2_option_new(&all) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_auto_window_update(all, 1);
    nghttp2_option_set_no_closed_streams(all, 1);
    nghttp2_option_set_max_outbound_ack(all, Limit::kOutboundAcks);
    nghttp2_option_set_max_settings(all, Limit::kSettings);
    nghttp2_option_set_max_continuations(all, Limit::kContinuations);
    return all;
  }
};

// ---- one connection

Http2Connection::Http2Connection(Proxy& proxy, Peer& peer) : proxy_(proxy), peer_(peer) {
  static nghttp2_session_callbacks* const callbacks = Http2Events::make();
  static nghttp2_option* const options = Http2Events::options();
  nghttp2_session* session = nullptr;
  if (nghttp2_session_server_new2(&session, callbacks, this, options) != 0) throw std::bad_alloc();
  session_.reset(session);
}

Http2Connection::~Http2Connection() {
  streams_.clear_and_dispose([](Http2Stream* stream) { delete stream; });
}

Task<> Http2Connection::run() {
  greet();
  for (;;) {
    const bool more = receive();
    follow_drain();
    start_streams();
    wake_streams();
    flush();
    if (over()) break;
    if (more) {
      co_await proxy_.loop.yield();
      continue;
    }
    set_deadline();
    if (!peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
  }
  co_await say_goodbye();
}

void Http2Connection::greet() {
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, Limit::kStreams},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, Limit::kStreamWindow},
                                             {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, http::Http2Head::kMaxList},
                                             {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
                                             {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0, Limit::kWindow);
  pump();
}

// True: there is more, and others shall have a turn first.
bool Http2Connection::receive() {
  for (unsigned i = 0; i < kReadsPerTurn; ++i) {
    if (ended_ || broken_ || !unqueued_.empty() || !peer_.stream->can_read()) return false;
    const auto got = peer_.stream->read(read_buffer, sizeof read_buffer);
    switch (got.status) {
      case IoStatus::done: feed({read_buffer, got.bytes}); break;
      case IoStatus::again: return false;
      case IoStatus::closed: end_input(); return false;
      case IoStatus::failed: broken_ = true; return false;
    }
    start_streams();
    wake_streams();
  }
  return true;
}

// W8: what was asked for whole is still answered.
void Http2Connection::end_input() {
  ended_ = true;
  for (auto& stream : streams_) {
    if (stream.input_ended()) continue;
    stream.close(true);
    wake_soon(stream);
  }
}

void Http2Connection::feed(std::string_view bytes) {
  const auto taken =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) end_with(taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
  for (const auto id : std::exchange(refused_, {})) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
  }
  if (overflow_) end_with(NGHTTP2_FLOW_CONTROL_ERROR);
  const auto found = heads_.read(bytes);
  if (found.error != NGHTTP2_NO_ERROR) end_with(found.error);
  for (auto unknown = found.unknown; unknown > 0; --unknown) {
    if (!empty_frames_.take(Clock::now())) calm_down();
  }
  pump();
}

void Http2Connection::start_streams() {
  while (!begun_.empty()) {
    auto& stream = begun_.front();
    begun_.pop_front();
    if (stream.closed()) {
      forget(stream);
    } else {
      start(stream);
    }
  }
}

void Http2Connection::start(Http2Stream& stream) {
  begun_any_ = true;
  stream.stage = Http2Stream::Stage::running;
  ++running_;
  spawn(stream.run(), [this, &stream](std::exception_ptr error) {
    if (error) spdlog::error("stream given up: out of memory or a fault of ours");
    stream.stage = Http2Stream::Stage::done;
    --running_;
    if (error) nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id(), NGHTTP2_INTERNAL_ERROR);
    if (stream.closed()) forget(stream);
    write_soon();
  });
}

void Http2Connection::forget(Http2Stream& stream) {
  delete &stream;
  if (streams_.empty()) idle_since_ = Clock::now();
}

void Http2Connection::wake_soon(Http2Stream& stream) {
  using Ready = Http2Hook<Http2Ready>;
  if (!static_cast<Ready&>(stream).is_linked()) woken_.push_back(stream);
  write_soon();
}

void Http2Connection::wake_when_there_is_room(Http2Stream& stream) {
  using Waiting = Http2Hook<Http2Waiting>;
  if (!static_cast<Waiting&>(stream).is_linked()) waiting_.push_back(stream);
}

void Http2Connection::wake_streams() {
  while (!woken_.empty()) {
    auto& stream = woken_.front();
    woken_.pop_front();
    if (stream.stage == Http2Stream::Stage::running) {
      stream.wakeup.wake();
    } else if (stream.closed()) {
      forget(stream);
    }
  }
}

bool Http2Connection::covers(std::string_view authority) {
  if (authority == covered_) return true;
  std::string scratch;
  if (!peer_.stream->covers(route::matching_host(authority, scratch))) return false;
  covered_ = authority;
  return true;
}

// ---- sending

void Http2Connection::pump() {
  const auto before = out_.size();
  while (!broken_) {
    if (!unqueued_.empty()) {
      const auto part = unqueued_.substr(0, out_.room());
      out_.append(part);
      unqueued_.remove_prefix(part.size());
      if (!unqueued_.empty()) break;
    }
    const std::uint8_t* bytes = nullptr;
    const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size < 0) broken_ = true;
    if (size <= 0) break;
    unqueued_ = text(bytes, static_cast<std::size_t>(size));
  }
  if (out_.size() == before) return;
  if (before == 0) written_at_ = Clock::now();  // it is waited for from here
  write_soon();
}

// True when some of it went out.
bool Http2Connection::write() {
  bool moved = false;
  while (!broken_ && !out_.empty() && peer_.stream->can_write()) {
    const auto sent = peer_.stream->write(out_.data());
    if (sent.status == IoStatus::again) break;
    if (sent.status != IoStatus::done) {
      broken_ = true;
      break;
    }
    out_.consumed(sent.bytes);
    moved = true;
  }
  if (moved) written_at_ = Clock::now();
  out_.release_if_empty();
  return moved;
}

// As long as the client takes it, streams that wait for room are let go on.
void Http2Connection::flush() {
  while (write()) {
    pump();
    Http2StreamList<Http2Waiting> now;
    now.swap(waiting_);
    while (!now.empty()) {
      auto& stream = now.front();
      now.pop_front();
      if (stream.stage == Http2Stream::Stage::running) stream.wakeup.wake();
    }
  }
}

void Http2Connection::run_deferred() {
  pump();
  wake_streams();
  flush();
  if (leaving_) return peer_.wakeup.wake();  // the last deadline is set
  set_deadline();
  const bool may_read_again = !ended_ && unqueued_.empty() && peer_.stream->can_read();
  if (may_read_again || over()) peer_.wakeup.wake();  // perhaps the end of this
}

// ---- the end

// W5
void Http2Connection::follow_drain() {
  if (proxy_.draining && !last_goaway_at_) {
    nghttp2_submit_shutdown_notice(session_.get());
    last_goaway_at_ = Clock::now() + kGoawayPause;
  }
  if (last_goaway_at_ && Clock::now() >= *last_goaway_at_ && !refusing_) {
    refusing_ = true;
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
                          NGHTTP2_NO_ERROR, nullptr, 0);
  }
  pump();
}

void Http2Connection::end_with(std::uint32_t code) { nghttp2_session_terminate_session(session_.get(), code); }

bool Http2Connection::over() const {
  if (broken_ || peer_.cut) return true;
  if (!out_.empty()) return Clock::now() >= written_at_ + proxy_.limits.client_idle;
  if (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0) return true;
  if (!streams_.empty()) return false;
  return ended_ || refusing_ || Clock::now() >= idle_since_ + (begun_any_ ? proxy_.limits.keep_alive : proxy_.limits.head);
}

void Http2Connection::set_deadline() {
  auto at = Clock::time_point::max();
  if (!out_.empty()) at = written_at_ + proxy_.limits.client_idle;
  if (streams_.empty()) at = idle_since_ + (begun_any_ ? proxy_.limits.keep_alive : proxy_.limits.head);
  if (last_goaway_at_ && !refusing_) at = std::min(at, *last_goaway_at_);
  peer_.deadline.set(at);
  peer_.idle_since = streams_.empty() && begun_any_ ? idle_since_ : Clock::time_point::max();
}

// True: there will be no more.
bool Http2Connection::discard_input() {
  while (peer_.stream->can_read()) {
    const auto got = peer_.stream->read(read_buffer, sizeof read_buffer);
    if (got.status == IoStatus::again) return false;
    if (got.status != IoStatus::done) return true;
  }
  return false;
}

Task<> Http2Connection::say_goodbye() {
  peer_.stream->socket().send_at_once();
  for (auto& stream : streams_) {
    if (!peer_.cut) stream.close(true);  // else its exchange may still have a last word
    wake_soon(stream);
  }
  while (running_ > 0) {
    wake_streams();
    write();
    if (running_ > 0 && !peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
  }
  if (!refusing_) nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
  pump();
  write();
  leaving_ = true;
  const auto until = Clock::now() + proxy_.limits.lingering;
  peer_.deadline.set(until);
  for (bool told = false; !broken_ && !peer_.cut && Clock::now() < until;) {
    if (out_.empty() && !std::exchange(told, true)) peer_.stream->end_output();
    if (ended_ || discard_input()) break;
    if (!peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
    write();
  }
}

}  // namespace fleet::proxy
