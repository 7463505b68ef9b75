#include "http2/http2_stream.hpp"

#include <openssl/rand.h>

#include <algorithm>

#include "exchange/exchange.hpp"
#include "http/chars.hpp"
#include "http2/http2_connection.hpp"

namespace fleet::proxy {

using http::BodyKind;

// The fields of one head on their way into nghttp2, in storage that all heads share, one at a time. `packed_at_once`:
// nghttp2 will have packed them before the next one is made, so that it need not copy them.
class Http2HeadOut final : public http::FieldSink {
 public:
  explicit Http2HeadOut(bool packed_at_once)
      : flags_(packed_at_once ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE : NGHTTP2_NV_FLAG_NONE) {
    at_ = 0, count_ = 0;
  }
  void put_status(int status) {
    char digits[3];
    for (int i = 2; i >= 0; --i, status /= 10) digits[i] = static_cast<char>('0' + status % 10);
    put(":status", {digits, sizeof digits});
  }
  void put(std::string_view name, std::string_view value) override {
    if (count_ == kMost || kStorage - at_ < name.size() + value.size()) return;
    auto& field = fields_[count_++];
    field.name = store(name);
    field.namelen = name.size();
    std::transform(field.name, field.name + name.size(), field.name,
                   [](std::uint8_t c) { return static_cast<std::uint8_t>(http::lower(static_cast<char>(c))); });
    field.value = store(value);
    field.valuelen = value.size();
    field.flags = flags_;
  }
  void put_length(std::uint64_t length) {
    char digits[24];
    put("content-length", {digits, std::to_chars(digits, digits + sizeof digits, length).ptr});
  }
  static const nghttp2_nv* fields() { return fields_; }
  static std::size_t size() { return count_; }

 private:
  static constexpr std::size_t kMost = 2 * http::kMaxFields, kStorage = 2 * http::kMaxHead;
  static std::uint8_t* store(std::string_view text) {
    auto* const to = storage_ + at_;
    std::copy(text.begin(), text.end(), to);
    at_ += text.size();
    return to;
  }

  const std::uint8_t flags_;
  static inline nghttp2_nv fields_[kMost];
  static inline std::uint8_t storage_[kStorage];
  static inline std::size_t at_ = 0, count_ = 0;
};

namespace {

// Heads that are done with, whose memory the next streams use.
constexpr std::size_t kMostSpareHeads = 256, kLargeHead = 4096;
std::vector<http::Http2Head> spare_heads;

// RFC 6455 §4.1: what the application is to prove that it understood. It speaks to us, so that anything will do.
std::string websocket_key() {
  unsigned char bytes[16];
  RAND_bytes(bytes, sizeof bytes);
  unsigned char text[25];
  EVP_EncodeBlock(text, bytes, sizeof bytes);
  return {reinterpret_cast<char*>(text), 24};
}

ssize_t read_data(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                  nghttp2_data_source* source, void*) {
  return static_cast<Http2Stream*>(source->ptr)->offer(most, *flags);
}

}  // namespace

Http2Stream::Http2Stream(Http2Connection& connection, std::int32_t id)
    : ClientSide(connection.peer(), own_wakeup, own_deadline), connection_(connection), id_(id) {
  connection.proxy().loop.watchdog.watch(own_deadline);
  if (spare_heads.empty()) return;
  head = std::move(spare_heads.back());
  spare_heads.pop_back();
}

Http2Stream::~Http2Stream() {
  if (spare_heads.size() == kMostSpareHeads || head.capacity() > kLargeHead) return;
  head.clear();
  spare_heads.push_back(std::move(head));
}

Task<> Http2Stream::run() {
  auto& request = connection_.proxy().request_head;
  const auto key = head.asks_tunnel() ? websocket_key() : std::string();
  const auto settled = head.settle(request, key);
  const auto framing = settled ? http::http2_request_framing(request, no_body_) : http::refuse(settled.error());
  if (!framing || request.fields.size() > connection_.proxy().limits.max_fields) {
    refuse(own_answer(framing ? http::Fault::too_many_fields : framing.error()));
  } else if (!connection_.covers(request.authority)) {
    refuse(own::misdirected());
  } else {
    method_ = request.method;
    auto outcome = Exchange::Outcome::broken;
    {
      Exchange exchange(connection_.proxy(), *this, request, *framing);
      outcome = co_await exchange.run();
    }
    if (outcome == Exchange::Outcome::broken) {
      finish(false);
      co_return;
    }
    if (!ending_ && !output_ended_) end(nullptr);  // a tunnel that we have closed
  }
  co_await wait_for_output();
  co_await linger();
  finish(output_ended_);
}

// As long as some of it goes out now and then.
Task<> Http2Stream::wait_for_output() {
  const auto& limits = connection_.proxy().limits;
  auto until = Clock::now() + limits.client_idle;
  while (!output_ended_ && !closed_ && !peer.cut && Clock::now() < until) {
    const auto before = source_.size();
    push();
    if (output_ended_) break;
    if (source_.size() != before) until = Clock::now() + limits.client_idle;
    own_deadline.set(until);
    arm(true);
    if (!own_wakeup.take_pending()) co_await own_wakeup.sleep();
  }
}

// W1, of one stream: there are clients (curl 7.88) that lose an answer which a reset follows at once, though it may. What
// they still send goes nowhere, and no window opens for it.
Task<> Http2Stream::linger() {
  drop_body();
  unread_ = true;
  const auto until = Clock::now() + connection_.proxy().limits.lingering;
  own_deadline.set(until);
  while (output_ended_ && !input_ended_ && !closed_ && !peer.cut && Clock::now() < until) {
    if (!own_wakeup.take_pending()) co_await own_wakeup.sleep();
  }
}

// S24: a malformed request gets no answer.
void Http2Stream::refuse(const OwnAnswer& refusal) {
  auto& proxy = connection_.proxy();
  ++proxy.unrouted;
  RequestFacts facts;
  facts.status = refusal.status;
  facts.own_error = refusal.reason;
  if (refusal.status == 400) {
    reset(NGHTTP2_PROTOCOL_ERROR);
  } else {
    facts.bytes_out = answer(refusal, false);
  }
  proxy.unrouted_figures->add(facts);
}

// D5: an answer that is not whole must not look so. And what the client still sends is not wanted (RFC 9113 §8.1).
void Http2Stream::finish(bool whole) {
  drop_body();
  if (closed_) return;
  if (!whole) {
    reset(NGHTTP2_INTERNAL_ERROR);
  } else if (!input_ended_) {
    reset(NGHTTP2_NO_ERROR);
  }
}

void Http2Stream::reset(std::uint32_t code) {
  nghttp2_submit_rst_stream(connection_.session(), NGHTTP2_FLAG_NONE, id_, code);
  connection_.pump();
}

// ---- from the client

bool Http2Stream::add_trailer(std::string_view name, std::string_view value) {
  if (trailers_.size() + name.size() + value.size() + 6 > http::ChunkedDecoder::kMaxTrailers) return false;
  trailers_.append(name).append(": ").append(value).append("\r\n");
  return true;
}

void Http2Stream::add_body(std::string_view bytes) {
  // There is room for a window of it. nghttp2 hands over what is beyond, too, and resets the stream behind it.
  if (bytes.size() > body_.room()) gone_ = news_ = true;
  if (stage == Stage::done || gone_ || unread_) {
    nghttp2_session_consume_connection(connection_.session(), bytes.size());
    return;
  }
  body_.append(bytes);
  news_ = true;
}

void Http2Stream::end_input(bool with_head) {
  if (!trailers_.empty()) trailers_.append("\r\n");
  input_ended_ = news_ = true;
  no_body_ = with_head;
}

void Http2Stream::close(bool reset) {
  closed_ = news_ = true;
  gone_ |= reset;
}

void Http2Stream::body_taken(std::size_t n) {
  body_.consumed(n);
  body_.release_if_empty();
  nghttp2_session_consume(connection_.session(), id_, n);
  connection_.write_soon();
}

void Http2Stream::drop_body() {
  nghttp2_session_consume_connection(connection_.session(), body_.size());
  body_.clear();
  body_.release_if_empty();
}

// ---- to the client

bool Http2Stream::interim(const http::ResponseHead& response) {
  if (closed_ || response.status == 101) return false;
  Http2HeadOut out(takes_head());
  out.put_status(response.status);
  http::pass_response_fields(out, response, {});
  nghttp2_submit_headers(connection_.session(), NGHTTP2_FLAG_NONE, id_, nullptr, out.fields(), out.size(), nullptr);
  connection_.pump();
  return true;
}

bool Http2Stream::takes_head() const { return connection_.has_room_for_head(); }

void Http2Stream::respond(Http2HeadOut& out, bool with_body) {
  nghttp2_data_provider provider{{.ptr = this}, read_data};
  nghttp2_submit_response(connection_.session(), id_, out.fields(), out.size(), with_body ? &provider : nullptr);
  output_ended_ = !with_body;
  connection_.pump();
}

void Http2Stream::begin(const http::ResponseHead& response, const http::Framing& framing,
                        const http::ResponseRewrite& rewrite, bool) {
  if (closed_) return;
  Http2HeadOut out(takes_head());
  out.put_status(response.status);
  http::pass_response_fields(out, response, rewrite);
  if (framing.kind == BodyKind::length || framing.length_told) out.put_length(framing.length);
  if (framing.kind == BodyKind::length) left_ = framing.length;
  respond(out, framing.kind != BodyKind::none && left_ != 0u);
}

namespace {

// RFC 8441 §5: the handshake of HTTP/1.1 has no place here.
struct WithoutAccept final : http::FieldEdits {
  bool take(const http::Field& field, http::FieldSink&) const override {
    return http::iequals(field.name, "sec-websocket-accept");
  }
  void add(http::FieldSink&) const override {}
};

}  // namespace

void Http2Stream::begin_tunnel(const http::ResponseHead& response) {
  if (closed_) return;
  Http2HeadOut out(takes_head());
  out.put_status(200);
  const WithoutAccept edits;
  http::ResponseRewrite rewrite;
  rewrite.edits = &edits;
  http::pass_response_fields(out, response, rewrite);
  respond(out, true);
}

std::size_t Http2Stream::send(std::string_view bytes) {
  if (closed_) return 0;
  source_ = bytes;
  push();
  const auto left = std::exchange(source_, {}).size();
  return bytes.size() - left;
}

bool Http2Stream::end(const http::FieldList* trailers) {
  if (output_ended_ || closed_) return true;
  ending_ = true;
  trailers_out_ = trailers;
  push();
  trailers_out_ = nullptr;
  if (!trailers || output_ended_) return true;
  ending_ = false;  // lest it end without them
  return false;
}

std::size_t Http2Stream::answer(const OwnAnswer& answer, bool) {
  if (closed_) return 0;
  own_body_ = own_body(answer);
  Http2HeadOut out(takes_head());
  out.put_status(answer.status);
  put_own_fields(out, answer, own_body_.size());
  if (method_ == http::Method::head) own_body_.clear();
  source_ = own_body_;
  left_ = own_body_.size();
  respond(out, !own_body_.empty());
  return own_body_.size();
}

void Http2Stream::push() {
  out_of_room_ = false;
  nghttp2_session_resume_data(connection_.session(), id_);
  connection_.pump();
}

ssize_t Http2Stream::offer(std::size_t most, std::uint32_t& flags) {
  constexpr std::size_t kFrameHead = 9;
  const auto room = connection_.out().room();
  if (source_.empty() && !ending_) {
    if (std::exchange(waits_for_window_, false)) connection_.wake_soon(*this);
    return NGHTTP2_ERR_DEFERRED;
  }
  if (room <= kFrameHead) {
    out_of_room_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const auto size = std::min({most, source_.size(), room - kFrameHead});
  flags = NGHTTP2_DATA_FLAG_NO_COPY;
  if (size < source_.size() || !(ending_ || left_ == size)) return static_cast<ssize_t>(size);
  flags |= NGHTTP2_DATA_FLAG_EOF;
  output_ended_ = true;
  if (trailers_out_) {
    Http2HeadOut out(false);
    http::pass_trailers(out, *trailers_out_);
    if (out.size() > 0) flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (out.size() > 0) nghttp2_submit_trailer(connection_.session(), id_, out.fields(), out.size());
  }
  return static_cast<ssize_t>(size);
}

void Http2Stream::put(std::string_view frame_head, std::size_t size) {
  auto& out = connection_.out();
  out.append(frame_head);
  out.append(source_.substr(0, size));
  source_.remove_prefix(size);
  if (left_) *left_ -= size;
}

void Http2Stream::arm(bool more) {
  if (closed_) return;
  if (out_of_room_ || !connection_.has_room_for_head()) {
    connection_.wake_when_there_is_room(*this);
  } else {
    waits_for_window_ = more;
  }
}

}  // namespace fleet::proxy
