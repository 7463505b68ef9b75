// Exchange's moving of bytes: both directions in one pass that never blocks, each bounded by its buffers (P12).
#include <algorithm>

#include "exchange/exchange.hpp"
#include "http/chars.hpp"

namespace fleet::proxy {

using http::BodyKind;

namespace {

// Does the body end where the bytes at hand do?
bool is_whole(const http::Framing& framing, std::string_view bytes) {
  http::BodyReader body;
  body.begin(framing);
  while (!body.ended()) {
    const auto dropped = body.read(bytes);
    if (!dropped || (*dropped == 0 && body.ready() == 0)) return false;
    bytes.remove_prefix(*dropped + body.ready());
    body.taken(body.ready());
  }
  return bytes.empty();
}

}  // namespace

bool Exchange::step() {
  bool moved = receive();
  moved |= take_upload();
  moved |= write_upstream();
  moved |= read_upstream();
  moved |= take_answer();
  moved |= flush_client();
  return moved;
}

// Also while nothing of this request is missing: that is how a client that leaves is noticed (W9, R10).
bool Exchange::receive() {
  if (!client_.receive()) return false;
  client_active_ = now_;
  return true;
}

bool Exchange::uploads_directly() const {
  return !request_kept_ && (tunnel_ || framing_.kind == BodyKind::length) && up_sent_ == up_out_.size();
}

// R6: what does not fit into the replay window ends the chance of a replay.
bool Exchange::make_room_for(std::size_t bytes) {
  if (up_out_.room() >= bytes) return true;
  if (request_kept_) {
    request_kept_ = false;
    up_out_.consumed(up_sent_);
    up_sent_ = 0;
  }
  return up_out_.room() >= bytes;
}

// Moves the request's body to up_out_, framed anew (S23).
bool Exchange::take_upload() {
  bool moved = false;
  while (upload_ == Upload::running) {
    const auto body = client_.body();
    if (!body) {
      client_fault_ = body.error();
      return true;
    }
    if (client_.body_ended()) {
      const auto before = upload_;
      end_upload();
      return moved || upload_ != before;
    }
    if (body->empty()) return moved;
    awaiting_continue_ = false;
    if (uploads_directly()) return moved;  // see write_upstream
    const bool chunked = framing_.kind == BodyKind::chunked && !tunnel_;
    const auto overhead = chunked ? 2 * http::kChunkOverhead : 0;
    const auto wanted = chunked ? std::size_t{1} : body->size();
    if (!make_room_for(wanted + overhead)) return moved;
    const auto part = body->substr(0, up_out_.room() - overhead);
    if (chunked) {
      up_out_.write([&](http::Writer& out) {
        out.put_number(part.size(), 16);
        out.put_all("\r\n", part, "\r\n");
      });
    } else {
      up_out_.append(part);
    }
    upload_taken_ += part.size();
    bytes_in_ += part.size();
    client_.body_taken(part.size());
    moved = true;
    if (ruled_ && !tunnel_ && ruled_->body_too_large(upload_taken_)) client_fault_ = http::Fault::body_too_large;
  }
  return moved;
}

void Exchange::end_upload() {
  if (framing_.kind == BodyKind::chunked && !tunnel_) {
    const http::FieldList* trailers = nullptr;
    if (const auto lines = client_.trailers(); !lines.empty() && parse_trailers(lines, proxy_.trailers)) {
      trailers = &proxy_.trailers;
    }
    if (!make_room_for(client_.trailers().size() + http::kChunkOverhead)) return;
    up_out_.write([&](http::Writer& out) { http::write_last_chunk(out, trailers); });
  }
  upload_ = Upload::done;
}

bool Exchange::write_upstream() {
  if (!upstream_ || upstream_deaf_ || (upstream_ended_ && !tunnel_) || !upstream_->stream.can_write()) return false;
  const bool direct = upload_ == Upload::running && uploads_directly();
  auto bytes = up_out_.data().substr(up_sent_);
  if (direct) bytes = *client_.body();  // what needs no decoding has no faults
  if (bytes.empty()) {
    if (!tunnel_ || upload_ != Upload::done) return false;
    upstream_->stream.end_output();  // W8
    upstream_deaf_ = true;
    return true;
  }
  const auto sent = upstream_->stream.write(bytes);
  if (sent.status == IoStatus::again) return false;
  if (sent.status != IoStatus::done) {
    upstream_deaf_ = true;  // an answer may be there all the same (R11)
    abandon_upload();
    upstream_->stream.socket().readable = true;
    return true;
  }
  attempt_sent_ += sent.bytes;
  upstream_active_ = now_;
  if (direct) {
    client_.body_taken(sent.bytes);
    upload_taken_ += sent.bytes;
    bytes_in_ += sent.bytes;
    if (!tunnel_ && client_.body_ended()) upload_ = Upload::done;
  } else {
    up_sent_ += sent.bytes;
    if (!request_kept_) {
      up_out_.consumed(up_sent_);
      up_sent_ = 0;
    }
  }
  return true;
}

void Exchange::abandon_upload() {
  if (upload_ == Upload::running) upload_ = Upload::abandoned;
}

bool Exchange::read_upstream() {
  if (!upstream_ || upstream_ended_ || up_in_.room() == 0 || !upstream_->stream.can_read()) return false;
  char* const to = up_in_.space();
  const auto got = upstream_->stream.read(to, up_in_.room_at_end());
  switch (got.status) {
    case IoStatus::done:
      // R12: no answer to what was not asked yet, but left over from a former one.
      if (got.bytes > 0 && upstream_->reused() && attempt_sent_ == 0 && !tunnel_) {
        upstream_keeps_ = false;
        fail_attempt(AttemptEnd::closed);
        return true;
      }
      up_in_.committed(got.bytes);
      answer_begun_ |= got.bytes != 0;
      upstream_active_ = now_;
      return true;
    case IoStatus::again: return false;
    case IoStatus::closed:
    case IoStatus::failed:
      upstream_ended_ = true;
      upstream_keeps_ = false;
      if (!tunnel_) abandon_upload();
      // Only a clean end may end a body that has no other.
      if (got.status == IoStatus::failed && answer_ != Answer::complete) fail_attempt(AttemptEnd::closed);
      return true;
  }
  return false;
}

bool Exchange::take_answer() {
  bool moved = false;
  while (answer_ != Answer::complete && !attempt_end_) {
    if (!(answer_ == Answer::head ? take_head() : take_body())) break;
    moved = true;
  }
  if (answer_ != Answer::complete && target_gone_ && !frames_) fail_attempt(AttemptEnd::target_gone);
  return moved;
}

bool Exchange::may_begin_tunnel() const { return asks_upgrade_ && upload_ == Upload::done; }

bool Exchange::take_head() {
  if (!client_.takes_head()) return false;
  const auto length = scanner_.scan(up_in_.data());
  if (!length) {
    fail_attempt(AttemptEnd::bad_answer);
    return true;
  }
  if (*length == 0) {
    if (!upstream_ended_) return false;
    const bool other_answer = aside_ != nullptr;
    fail_attempt(AttemptEnd::closed);
    return other_answer;
  }
  auto& head = proxy_.response_head;
  const auto parsed = http::parse_response(up_in_.data().substr(0, *length), head);
  const auto framing = parsed ? http::response_framing(head, method_) : http::refuse(parsed.error());
  if (!framing || (head.status == 101 && !may_begin_tunnel())) {  // S20, P5
    fail_attempt(AttemptEnd::bad_answer);
    return true;
  }
  if (head.status == 101) {
    begin_tunnel(head);
  } else if (head.status < 200) {
    const bool late = head.status == 100 && !awaiting_continue_;
    if (!late && client_.interim(head)) passed_on_ |= head.status != 100;
    if (head.status == 100) awaiting_continue_ = false;
  } else if (aside_ && head.status == 404) {
    keep_own_answer();
    return true;
  } else if (head.status == 404 && ask_for_asset(head, *framing, *length)) {
    return true;
  } else {
    if (aside_) take_asset();
    begin_answer(head, *framing);
  }
  up_in_.consumed(*length);
  scanner_.reset();
  return true;
}

// Of a page of a former release (DESIGN §9): the application knows nothing of the file, but a release that is kept may.
// True: the asset server has the same request, and its answer is awaited.
bool Exchange::ask_for_asset(const http::ResponseHead& head, const http::Framing& framing, std::size_t head_length) {
  const bool askable = !route_->assets.empty() && proxy_.assets && !asked_for_asset_ && request_kept_ && upload_taken_ == 0 &&
                       upload_ == Upload::done && up_sent_ == up_out_.size() &&
                       (method_ == http::Method::get || method_ == http::Method::head);
  if (!askable) return false;
  asked_for_asset_ = true;
  const auto request = up_out_.data();  // as the rules have made it
  const auto from = request.find(' ') + 1;
  auto places = assets::places_of(route_->assets, request.substr(from, request.find(' ', from) - from));
  if (places.empty()) return false;
  auto answers = proxy_.assets->ask(std::move(places), request);
  if (!answers) return false;
  aside_ = std::make_unique<Aside>();
  aside_->whole = head.keep_alive() && !upstream_ended_ && is_whole(framing, up_in_.data().substr(head_length));
  aside_->ended = upstream_ended_;
  aside_->answer.swap(up_in_);
  aside_->upstream = std::move(upstream_);
  upstream_ = std::make_unique<Upstream>(SocketPtr(new Socket(proxy_.loop, std::move(*answers))), claim_->target());
  upstream_->stream.socket().set_listener(&client_.wakeup);
  upstream_ended_ = false;
  upstream_active_ = now_;
  scanner_.reset();
  return true;
}

void Exchange::take_asset() {
  if (aside_->whole) {
    ++aside_->upstream->exchanges;
    claim_->target().give_back(std::move(aside_->upstream), now_);
  }
  aside_.reset();
  is_asset_ = true;
}

// The asset server had nothing, or did not answer.
void Exchange::keep_own_answer() {
  upstream_ = std::move(aside_->upstream);
  up_in_.swap(aside_->answer);
  upstream_ended_ = aside_->ended;
  upstream_deaf_ = false;
  upstream_active_ = now_;
  aside_.reset();
  scanner_.reset();
}

void Exchange::begin_answer(const http::ResponseHead& head, const http::Framing& framing) {
  answer_body_.begin(framing);
  upstream_keeps_ = head.keep_alive() && framing.kind != BodyKind::until_close && !upstream_ended_;
  http::ResponseRewrite rewrite{route_->rewrite_redirects, client_https_, authority_,
                                      claim_->target().port_text};
  const auto* type = head.fields.find(http::FieldId::content_type);
  event_stream_ = type && http::istarts_with(type->value, "text/event-stream");
  status_ = head.status;
  first_byte_ = now_;
  if (!is_asset_) note_outcome(head.status >= 500);
  if (ruled_ && ruled_->intercepts(head.status)) return answer_for_app(head);
  if (ruled_) ruled_->shape(rewrite);
  // P4: a client whose body nobody wants may or may not send it; only closing is unambiguous.
  client_.begin(head, framing, rewrite, proxy_.draining || awaiting_continue_);
  passed_on_ = true;
  request_kept_ = false;  // R5
  up_out_.consumed(up_sent_);
  up_sent_ = 0;
  answer_ = Answer::body;
}

// A page of ours, with the application's status. What it would have said instead is not read.
void Exchange::answer_for_app(const http::ResponseHead& head) {
  abandon_upload();
  OwnAnswer page;
  page.status = head.status;
  page.of_app = &head;
  ruled_->dress(page);
  bytes_out_ += client_.answer(page, upload_ == Upload::done);
  upstream_keeps_ = false;
  passed_on_ = true;
  request_kept_ = false;
  event_stream_ = false;
  answer_ = Answer::complete;
}

// P7: from here on both directions are copied as they are, each until its sender ends it.
void Exchange::begin_tunnel(const http::ResponseHead& head) {
  client_.begin_tunnel(head);
  answer_body_.begin(http::Framing{BodyKind::until_close, 0, false});
  tunnel_ = true;
  const auto* protocol = head.fields.find(http::FieldId::upgrade);
  if (protocol && http::iequals(protocol->value, "websocket")) frames_.emplace();
  upload_ = Upload::running;
  upstream_keeps_ = false;
  upstream_->stream.socket().send_at_once();  // a last message may be followed by an end that is none
  request_kept_ = false;
  status_ = head.status;
  first_byte_ = now_;
  passed_on_ = true;
  answer_ = Answer::body;
}

bool Exchange::take_body() {
  const auto framing = answer_body_.read(up_in_.data());
  if (!framing) {
    fail_attempt(AttemptEnd::bad_answer);
    return true;
  }
  up_in_.consumed(*framing);
  if (answer_body_.ended()) return end_answer();
  const auto ready = answer_body_.ready();
  if (ready == 0) {
    if (!upstream_ended_) return *framing > 0;
    if (answer_body_.source_ended()) return end_answer();
    fail_attempt(AttemptEnd::closed);  // D5: cut short, and visibly so
    return true;
  }
  auto bytes = up_in_.data().substr(0, ready);
  if (closing_until_) bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(frames_->until_boundary(), ready)));
  const auto sent = bytes.empty() ? 0 : client_.send(bytes);
  if (sent == 0) return *framing > 0;
  if (frames_) frames_->pass(bytes.substr(0, sent));
  answer_body_.taken(sent);
  up_in_.consumed(sent);
  bytes_out_ += sent;
  client_active_ = now_;
  return true;
}

bool Exchange::end_answer() {
  const http::FieldList* trailers = nullptr;
  if (const auto lines = answer_body_.trailers(); !lines.empty() && http::parse_trailers(lines, proxy_.trailers)) {
    trailers = &proxy_.trailers;
  }
  if (!client_.end(trailers)) return false;
  answer_ = Answer::complete;
  // R11; and a body that was never asked for is not waited for.
  if (!tunnel_ && (upstream_ended_ || !upstream_keeps_ || awaiting_continue_)) abandon_upload();
  return true;
}

bool Exchange::flush_client() {
  if (!client_.flush()) return false;
  client_active_ = now_;
  return true;
}

void Exchange::fail_attempt(AttemptEnd end) {
  if (aside_ && end != AttemptEnd::target_gone) return keep_own_answer();
  if (!attempt_end_) attempt_end_ = end;
}

bool Exchange::upload_blocked() const {
  if (!upstream_ || upstream_deaf_ || (upstream_ended_ && !tunnel_)) return false;
  if (up_sent_ != up_out_.size()) return true;
  if (upload_ != Upload::running || !uploads_directly()) return false;
  const auto body = client_.body();
  return body && !body->empty();
}

bool Exchange::answer_blocked() const {
  return !client_.flushed() || (answer_ == Answer::body && answer_body_.ready() > 0);
}

bool Exchange::waits_for_client() const {
  return answer_blocked() || (upload_ == Upload::running && !upload_blocked() && !awaiting_continue_);
}

bool Exchange::waits_for_upstream() const {
  return upload_blocked() || awaiting_continue_ ||
         (answer_ != Answer::complete && upload_ != Upload::running && !answer_blocked());
}

Limits::Ms Exchange::upstream_idle() const {
  if (aside_) return proxy_.limits.asset;
  const auto own = proxy_.limits.upstream_idle;
  return ruled_ ? ruled_->upstream_idle(answer_begun_, own) : own;
}

Limits::Ms Exchange::tunnel_idle() const {
  const auto own = proxy_.limits.tunnel_idle;
  return ruled_ ? ruled_->tunnel_idle(own) : own;
}

void Exchange::set_deadline() {
  auto at = Clock::time_point::max();
  const auto cut_at = claim_->cut_at(is_stream());
  if (tunnel_) {
    at = closing_until_.value_or(std::max(client_active_, upstream_active_) + tunnel_idle());
    client_.deadline.set(target_gone_ && !closing_until_ ? now_ : std::min(at, cut_at));
    return;
  }
  if (waits_for_client()) at = client_active_ + proxy_.limits.client_idle;
  if (waits_for_upstream()) at = std::min(at, upstream_active_ + upstream_idle());
  if (awaiting_continue_) at = std::min(at, began_ + proxy_.limits.continue_after);
  if (target_gone_ && answer_ != Answer::complete) at = now_;
  client_.deadline.set(std::min(at, cut_at));
}

// T: what a client is waited for must come or go at some rate. An upload beside an answer may rest: the two converse.
bool Exchange::client_too_slow() {
  const auto& limits = proxy_.limits;
  const bool waited_for = answer_blocked() || (answer_ == Answer::head && waits_for_client());
  if (tunnel_ || !waited_for || limits.min_rate == 0) {
    pace_.rests(now_);
    return false;
  }
  if (!pace_.waits(now_, limits.client_idle)) return false;
  const auto moved = upload_taken_ + acknowledged(client_.peer.stream->socket().fd());
  if (pace_.keeps_up(now_, moved, limits.client_idle, limits.min_rate)) return false;
  ++proxy_.edge.slow;
  return too_slow_ = true;
}

// The kernel asks for more only when a third of its buffer is free: until then a slow reader is seen here alone.
bool Exchange::client_reads_on() {
  if (!answer_blocked() || client_.peer.stream->can_write()) return false;
  const auto now_acknowledged = acknowledged(client_.peer.stream->socket().fd());
  if (now_acknowledged <= acknowledged_) return false;
  acknowledged_ = now_acknowledged;
  client_active_ = now_;
  return true;
}

// D7: a Close frame takes the place between two frames. Going on: that place has not come yet.
Exchange::Standing Exchange::close_websocket() {
  const bool ours = !frames_->closed();  // else the two are closing it themselves
  if (!closing_until_) closing_until_ = now_ + proxy_.limits.lingering;
  if (now_ >= *closing_until_) return client_.peer.cut ? Standing::cut : Standing::attempt_failed;
  if (frames_->until_boundary() > 0 || !client_.flushed()) return Standing::going_on;
  const auto frame = http::close_frame(client_.peer.cut ? http::CloseCode::going_away : http::CloseCode::service_restart);
  if (ours && client_.send(frame) != frame.size()) return Standing::going_on;
  return Standing::tunnel_closed;
}

Exchange::Standing Exchange::on_time(Clock::time_point now) {
  if (now >= claim_->cut_at(is_stream())) {
    target_gone_ = true;
    if (!frames_) fail_attempt(AttemptEnd::target_gone);
    return standing();
  }
  if (tunnel_) {
    const bool idle = now >= std::max(client_active_, upstream_active_) + tunnel_idle();
    return idle && !step() ? Standing::tunnel_idle : Standing::going_on;
  }
  if (awaiting_continue_ && now >= began_ + proxy_.limits.continue_after && answer_ == Answer::head) {
    awaiting_continue_ = false;  // P4: silence; the client shall begin
    client_active_ = now;
    auto& head = proxy_.response_head;
    head = {100, "Continue", 1, {}, {}};
    client_.interim(head);
  }
  // Bytes that are written at the end of this turn are not waited for.
  const auto& client_socket = client_.peer.stream->socket();
  if (client_socket.has_left() || (upstream_ && upstream_->stream.socket().has_left())) return Standing::going_on;
  if (waits_for_client() && now >= client_active_ + proxy_.limits.client_idle) {
    // A byte may have come in this very moment.
    return step() || client_reads_on() ? Standing::going_on : Standing::client_silent;
  }
  if (waits_for_upstream() && now >= upstream_active_ + upstream_idle()) {
    if (step()) return Standing::going_on;
    fail_attempt(AttemptEnd::timed_out);
    return standing();
  }
  return Standing::going_on;
}

}  // namespace fleet::proxy
