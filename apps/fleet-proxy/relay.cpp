// Exchange's moving of bytes: both directions in one pass that never blocks, each bounded by its buffers (P12).
#include <algorithm>

#include "exchange.hpp"

namespace fleet::proxy {

using http::BodyKind;

bool Exchange::step() {
  bool moved = read_client();
  moved |= encode_upload();
  moved |= write_upstream();
  moved |= read_upstream();
  moved |= decode_answer();
  moved |= write_client();
  return moved;
}

// Also while nothing of this request is missing: that is how a client that leaves is noticed (W9, R10).
bool Exchange::read_client() {
  if (client_.ended || client_gone_ || client_.in.room() == 0 || !client_.stream->can_read()) return false;
  char* const to = client_.in.space();
  const auto got = client_.stream->read(to, client_.in.room_at_end());
  switch (got.status) {
    case IoStatus::done:
      client_.in.committed(got.bytes);
      client_active_ = now_;
      return true;
    case IoStatus::again: return false;
    case IoStatus::closed:  // W8: an answer still goes to a client that has sent all
      client_.ended = true;
      if (upload_ == Upload::running) client_gone_ = true;
      return true;
    case IoStatus::failed: client_gone_ = true; return true;
  }
  return false;
}

// Moves body bytes from client_.in to up_out_, framed anew (S23).
bool Exchange::encode_upload() {
  if (upload_ != Upload::running || client_.in.empty()) return false;
  awaiting_continue_ = false;
  bool moved = false;
  if (framing_.kind == BodyKind::length) {
    if (!request_kept_) return false;  // goes directly, see write_upstream
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(upload_left_, client_.in.size()));
    if (n > up_out_.room()) {
      request_kept_ = false;  // R6: beyond the replay window
      up_out_.consumed(up_sent_);
      up_sent_ = 0;
      return true;
    }
    up_out_.append(client_.in.data().substr(0, n));
    client_.in.consumed(n);
    upload_left_ -= n;
    upload_taken_ += n;
    bytes_in_ += n;
    if (upload_left_ == 0) upload_ = Upload::done;
    return true;
  }
  while (!client_.in.empty() && upload_ == Upload::running) {
    if (up_out_.room() < 2 * http::kChunkOverhead) {
      if (!request_kept_) break;
      request_kept_ = false;
      up_out_.consumed(up_sent_);
      up_sent_ = 0;
      continue;
    }
    const auto room = up_out_.room() - http::kChunkOverhead;
    const auto part = upload_decoder_.next(client_.in.data().substr(0, room));
    if (!part) {
      client_fault_ = part.error();
      return true;
    }
    if (!part->data.empty()) {
      up_out_.write([&](http::Writer& out) {
        out.put_number(part->data.size(), 16);
        out.put_all("\r\n", part->data, "\r\n");
      });
    }
    if (part->end) {
      up_out_.append(http::kLastChunk);
      upload_ = Upload::done;
    }
    upload_taken_ += part->data.size();
    bytes_in_ += part->consumed;
    client_.in.consumed(part->consumed);
    moved = true;
  }
  return moved;
}

bool Exchange::write_upstream() {
  if (!upstream_ || upstream_ended_ || upstream_deaf_ || !upstream_->stream.can_write()) return false;
  const bool direct = !request_kept_ && framing_.kind == BodyKind::length && up_sent_ == up_out_.size();
  auto bytes = up_out_.data().substr(up_sent_);
  if (direct && upload_ == Upload::running) {
    bytes =
        client_.in.data().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(upload_left_, client_.in.size())));
  }
  if (bytes.empty()) return false;
  const auto sent = upstream_->stream.write(bytes);
  if (sent.status == IoStatus::again) return false;
  if (sent.status != IoStatus::done) {
    upstream_deaf_ = true;  // an answer may be there all the same (R11)
    if (upload_ == Upload::running) upload_ = Upload::abandoned;
    upstream_->stream.socket().readable = true;
    return true;
  }
  attempt_sent_ += sent.bytes;
  upstream_active_ = now_;
  if (direct) {
    client_.in.consumed(sent.bytes);
    upload_left_ -= sent.bytes;
    upload_taken_ += sent.bytes;
    bytes_in_ += sent.bytes;
    if (upload_left_ == 0) upload_ = Upload::done;
  } else {
    up_sent_ += sent.bytes;
    if (!request_kept_) {
      up_out_.consumed(up_sent_);
      up_sent_ = 0;
    }
  }
  return true;
}

bool Exchange::read_upstream() {
  if (!upstream_ || upstream_ended_ || up_in_.room() == 0 || !upstream_->stream.can_read()) return false;
  char* const to = up_in_.space();
  const auto got = upstream_->stream.read(to, up_in_.room_at_end());
  switch (got.status) {
    case IoStatus::done:
      up_in_.committed(got.bytes);
      answer_begun_ |= got.bytes != 0;
      upstream_active_ = now_;
      return true;
    case IoStatus::again: return false;
    case IoStatus::closed:
    case IoStatus::failed:
      upstream_ended_ = true;
      upstream_keeps_ = false;
      if (upload_ == Upload::running) upload_ = Upload::abandoned;
      // Only a clean end may end a body that has no other.
      if (got.status == IoStatus::failed && answer_ != Answer::complete) fail_attempt(AttemptEnd::closed);
      return true;
  }
  return false;
}

bool Exchange::decode_answer() {
  bool moved = false;
  while (answer_ != Answer::complete && !attempt_end_) {
    if (!(answer_ == Answer::head ? decode_head() : decode_body())) break;
    moved = true;
  }
  if (answer_ != Answer::complete && target_gone_) fail_attempt(AttemptEnd::target_gone);
  return moved;
}

bool Exchange::decode_head() {
  const auto length = scanner_.scan(up_in_.data());
  if (!length) {
    fail_attempt(AttemptEnd::bad_answer);
    return true;
  }
  if (*length == 0) {
    if (upstream_ended_) fail_attempt(AttemptEnd::closed);
    return false;
  }
  if (client_.out.room() < kBlock / 2 + http::kMaxHead / 2) return false;  // room for any head, rewritten
  auto& head = proxy_.response_head;
  const auto parsed = http::parse_response(up_in_.data().substr(0, *length), head);
  const auto framing = parsed ? http::response_framing(head, method_) : http::refuse(parsed.error());
  if (!framing || head.status == 101) {  // S20; no upgrade was asked for
    fail_attempt(AttemptEnd::bad_answer);
    return true;
  }
  if (head.status < 200) {  // P5: never to HTTP/1.0
    const bool late = head.status == 100 && !awaiting_continue_;
    if (minor_ == 1 && !late) {
      passed_on_ |= head.status != 100;
      client_.out.write([&](http::Writer& out) { http::write_interim(out, head); });
    }
    if (head.status == 100) awaiting_continue_ = false;
  } else {
    begin_answer(head, *framing);
  }
  up_in_.consumed(*length);
  scanner_.reset();
  return true;
}

void Exchange::begin_answer(const http::ResponseHead& head, const http::Framing& framing) {
  answer_framing_ = framing;
  answer_left_ = framing.length;
  upstream_keeps_ = head.keep_alive() && framing.kind != BodyKind::until_close && !upstream_ended_;
  http::Framing out_framing = framing;
  if (framing.kind == BodyKind::chunked || framing.kind == BodyKind::until_close) {
    answer_chunked_ = minor_ == 1;
    out_framing.kind = answer_chunked_ ? BodyKind::chunked : BodyKind::until_close;
    if (!answer_chunked_) keep_ = false;
  }
  // P4: a client whose body nobody wants may or may not send it; only closing is unambiguous.
  if (proxy_.draining || client_.ended || awaiting_continue_) keep_ = false;
  const auto persistence = !keep_        ? http::Persistence::close
                           : minor_ == 0 ? http::Persistence::keep_alive
                                         : http::Persistence::keep;
  const http::ResponseRewrite rewrite{route_->rewrite_redirects, client_.https, authority_, claim_->target().port_text};
  client_.out.write([&](http::Writer& out) { http::write_response(out, head, out_framing, persistence, rewrite); });
  status_ = head.status;
  first_byte_ = now_;
  passed_on_ = true;
  request_kept_ = false;  // R5
  up_out_.consumed(up_sent_);
  up_sent_ = 0;
  answer_ = Answer::body;
  const bool empty = framing.kind == BodyKind::none || (framing.kind == BodyKind::length && framing.length == 0);
  if (empty) end_answer();
}

// Moves body bytes from up_in_ to client_.out. What has a length and finds client_.out empty goes directly instead.
bool Exchange::decode_body() {
  auto& out = client_.out;
  if (up_in_.empty()) {
    if (!upstream_ended_) return false;
    if (answer_framing_.kind == BodyKind::until_close)
      end_answer();
    else
      fail_attempt(AttemptEnd::closed);  // D5: cut short, and visibly so
    return true;
  }
  if (answer_framing_.kind == BodyKind::length) {
    if (out.empty()) return false;
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(answer_left_, std::min(up_in_.size(), out.room())));
    if (n == 0) return false;
    out.append(up_in_.data().substr(0, n));
    up_in_.consumed(n);
    answer_left_ -= n;
    if (answer_left_ == 0) end_answer();
    return true;
  }
  if (out.room() < 2 * http::kChunkOverhead) return false;
  const auto in = up_in_.data().substr(0, out.room() - http::kChunkOverhead);
  http::ChunkedDecoder::Step part{in, in.size(), false};
  if (answer_framing_.kind == BodyKind::chunked) {
    const auto decoded = answer_decoder_.next(in);
    if (!decoded) {
      fail_attempt(AttemptEnd::bad_answer);
      return true;
    }
    part = *decoded;
  }
  if (!part.data.empty()) {
    out.write([&](http::Writer& to) {
      if (answer_chunked_) {
        to.put_number(part.data.size(), 16);
        to.put_all("\r\n", part.data, "\r\n");
      } else {
        to.put(part.data);
      }
    });
  }
  up_in_.consumed(part.consumed);
  if (part.end) end_answer();
  return true;
}

void Exchange::end_answer() {
  answer_ = Answer::complete;
  if (answer_chunked_) client_.out.append(http::kLastChunk);
  // R11; and a body that was never asked for is not waited for.
  if (upload_ == Upload::running && (upstream_ended_ || !upstream_keeps_ || awaiting_continue_)) {
    upload_ = Upload::abandoned;
  }
}

bool Exchange::write_client() {
  auto& stream = *client_.stream;
  if (client_gone_ || !stream.can_write()) return false;
  const bool direct = client_.out.empty();
  std::string_view bytes = client_.out.data();
  if (direct) {
    if (answer_ != Answer::body || answer_framing_.kind != BodyKind::length) return false;
    bytes = up_in_.data().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(answer_left_, up_in_.size())));
  }
  if (bytes.empty()) return false;
  const auto sent = stream.write(bytes);
  if (sent.status == IoStatus::again) return false;
  if (sent.status != IoStatus::done) {
    client_gone_ = true;
    return true;
  }
  bytes_out_ += sent.bytes;
  client_active_ = now_;
  if (direct) {
    up_in_.consumed(sent.bytes);
    answer_left_ -= sent.bytes;
    if (answer_left_ == 0) end_answer();
  } else {
    client_.out.consumed(sent.bytes);
  }
  return true;
}

void Exchange::fail_attempt(AttemptEnd end) {
  if (!attempt_end_) attempt_end_ = end;
}

bool Exchange::upload_blocked() const {
  if (!upstream_ || upstream_deaf_ || upstream_ended_) return false;
  return up_sent_ != up_out_.size() ||
         (upload_ == Upload::running && !request_kept_ && framing_.kind == BodyKind::length && !client_.in.empty());
}

bool Exchange::answer_blocked() const {
  return !client_.out.empty() ||
         (answer_ == Answer::body && answer_framing_.kind == BodyKind::length && !up_in_.empty());
}

bool Exchange::waits_for_client() const {
  return answer_blocked() || (upload_ == Upload::running && !upload_blocked() && !awaiting_continue_);
}

bool Exchange::waits_for_upstream() const {
  return upload_blocked() || awaiting_continue_ ||
         (answer_ != Answer::complete && upload_ != Upload::running && !answer_blocked());
}

void Exchange::arm() {
  if (!client_.ended && client_.in.room() > 0) client_.stream->arm_read();
  if (answer_blocked()) client_.stream->arm_write();
  if (!upstream_ || upstream_ended_) return;
  if (up_in_.room() > 0) upstream_->stream.arm_read();
  if (upload_blocked()) upstream_->stream.arm_write();
}

void Exchange::set_deadline() {
  auto at = Clock::time_point::max();
  if (waits_for_client()) at = client_active_ + proxy_.limits.client_idle;
  if (waits_for_upstream()) at = std::min(at, upstream_active_ + proxy_.limits.upstream_idle);
  if (awaiting_continue_) at = std::min(at, began_ + proxy_.limits.continue_after);
  if (target_gone_ && answer_ != Answer::complete) at = now_;
  client_.deadline.set(at);
}

Exchange::Standing Exchange::on_time(Clock::time_point now) {
  if (awaiting_continue_ && now >= began_ + proxy_.limits.continue_after && answer_ == Answer::head) {
    awaiting_continue_ = false;  // P4: silence; the client shall begin
    client_active_ = now;
    client_.out.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
  if (waits_for_client() && now >= client_active_ + proxy_.limits.client_idle) {
    // A byte may have come in this very moment.
    return step() ? Standing::going_on : Standing::client_silent;
  }
  if (waits_for_upstream() && now >= upstream_active_ + proxy_.limits.upstream_idle) {
    if (step()) return Standing::going_on;
    fail_attempt(AttemptEnd::timed_out);
    return Standing::attempt_failed;
  }
  return Standing::going_on;
}

}  // namespace fleet::proxy
