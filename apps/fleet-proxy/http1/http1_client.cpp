#include "http1/http1_client.hpp"

#include <algorithm>

namespace fleet::proxy {

using http::BodyKind;

void Http1Client::begin_request(const http::RequestHead& head, const http::Framing& framing) {
  method_ = head.method;
  minor_ = head.minor;
  keep_ = head.keep_alive();
  upload_.begin(framing);
  chunked_ = whole_ = false;
}

// Also while nothing of this request is missing: that is how a client that leaves is noticed (W9, R10).
bool Http1Client::receive() {
  if (ended || gone_ || in.room() == 0 || !peer.stream->can_read()) return false;
  char* const to = in.space();
  const auto got = peer.stream->read(to, in.room_at_end());
  switch (got.status) {
    case IoStatus::done: in.committed(got.bytes); return true;
    case IoStatus::again: return false;
    case IoStatus::closed:  // W8: an answer still goes to a client that has sent all
      ended = true;
      if (!tunnel_ && !upload_.ended()) gone_ = true;
      return true;
    case IoStatus::failed: gone_ = true; return true;
  }
  return false;
}

http::Parsed<std::string_view> Http1Client::body() {
  const auto framing = upload_.read(in.data());
  if (!framing) return http::refuse(framing.error());
  in.consumed(*framing);
  return in.data().substr(0, upload_.ready());
}

void Http1Client::body_taken(std::size_t n) {
  in.consumed(n);
  upload_.taken(n);
}

bool Http1Client::body_ended() const { return tunnel_ ? ended && in.empty() : upload_.ended(); }

bool Http1Client::interim(const http::ResponseHead& head) {
  if (minor_ == 0) return false;
  return out.write([&](http::Writer& to) { http::write_interim(to, head); });
}

void Http1Client::begin(const http::ResponseHead& head, const http::Framing& framing,
                        const http::ResponseRewrite& rewrite, bool last) {
  auto out_framing = framing;
  if (framing.kind == BodyKind::chunked || framing.kind == BodyKind::until_close) {
    chunked_ = minor_ == 1;
    out_framing.kind = chunked_ ? BodyKind::chunked : BodyKind::until_close;
    if (!chunked_) keep_ = false;
  }
  if (last || ended) keep_ = false;
  out.write([&](http::Writer& to) { http::write_response(to, head, out_framing, persistence(), rewrite); });
}

void Http1Client::begin_tunnel(const http::ResponseHead& head) {
  out.write([&](http::Writer& to) { http::write_interim(to, head); });
  upload_.begin(http::Framing{BodyKind::until_close, 0, false});
  tunnel_ = true;
  keep_ = false;
  peer.stream->socket().send_at_once();  // a Close frame may come in between (D7)
}

std::size_t Http1Client::write_now(std::string_view bytes) {
  if (gone_ || !peer.stream->can_write()) return 0;
  const auto sent = peer.stream->write(bytes);
  if (sent.status == IoStatus::done) return sent.bytes;
  gone_ = sent.status != IoStatus::again;
  return 0;
}

// What needs no framing and finds nothing queued goes to the kernel as it is.
std::size_t Http1Client::send(std::string_view bytes) {
  if (!chunked_ && out.empty()) return write_now(bytes);
  const auto reserved = chunked_ ? 2 * http::kChunkOverhead : 0;
  if (out.room() <= reserved) return 0;
  const auto n = std::min(bytes.size(), out.room() - reserved);
  if (!chunked_) {
    out.append(bytes.substr(0, n));
    return n;
  }
  out.write([&](http::Writer& to) {
    to.put_number(n, 16);
    to.put_all("\r\n", bytes.substr(0, n), "\r\n");
  });
  return n;
}

bool Http1Client::end(const http::FieldList* trailers) {
  if (tunnel_) {
    if (!out.empty()) return false;
    peer.stream->end_output();  // W8: the other direction goes on
    return true;
  }
  whole_ = !chunked_ || out.write([&](http::Writer& to) { http::write_last_chunk(to, trailers); });
  return whole_;
}

std::size_t Http1Client::answer(const OwnAnswer& answer, bool request_whole) {
  if (!request_whole || proxy_.draining || ended) keep_ = false;
  whole_ = true;
  return queue(answer, method_ != http::Method::head);
}

std::size_t Http1Client::refuse(const OwnAnswer& answer) {
  keep_ = false;
  return queue(answer, true);
}

std::size_t Http1Client::queue(const OwnAnswer& answer, bool with_body) {
  std::size_t body = 0;
  const bool queued = out.write([&](http::Writer& to) { body = write_own_answer(to, answer, with_body, persistence()); });
  return queued ? body : 0;
}

bool Http1Client::flush() {
  if (out.empty()) return false;
  if (whole_ && !keep_ && upload_.ended()) peer.stream->socket().corked = true;
  const auto sent = write_now(out.data());
  out.consumed(sent);
  return sent > 0 || gone_;
}

}  // namespace fleet::proxy
