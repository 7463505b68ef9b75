#include "http1/http1_connection.hpp"

namespace fleet::proxy {

Task<> Http1Connection::run() {
  for (bool first = true;; first = false) {
    const auto size = co_await read_head(first);
    if (size == 0) break;
    after_ = co_await serve(size);
    if (after_ != After::next) break;
  }
  if (after_ == After::next) peer_.stream->end_output();
  if (after_ == After::close) co_await linger();
  // D5: an answer to HTTP/1.0 that only the close would end must not look whole.
  if (after_ == After::drop) peer_.stream->socket().abort();
}

// The size of a complete head at the start of client_.in, or 0: the connection is over.
Task<std::size_t> Http1Connection::read_head(bool first) {
  auto& in = client_.in;
  scanner_.reset();
  const auto& limits = proxy_.limits;
  bool begun = false;
  const auto since = Clock::now();
  auto until = since + (first ? limits.head : limits.keep_alive);
  for (;;) {
    while (!begun && in.data().starts_with("\r\n")) in.consumed(2);  // RFC 9112 §2.2
    if (!in.empty() && in.data() != "\r") {
      if (!begun && !first) until = Clock::now() + limits.head;
      begun = true;
      peer_.idle_since = Clock::time_point::max();
      const auto size = scanner_.scan(in.data(), limits.max_head);
      if (!size) {
        const auto answer = own_answer(size.error());
        after_ = co_await refuse(answer);
        co_return 0;
      }
      if (*size > 0) co_return *size;
    }
    if (client_.ended || peer_.cut) co_return 0;
    if (Clock::now() >= until) {
      const auto answer = own::request_timeout();
      if (begun) after_ = co_await refuse(answer);
      co_return 0;
    }
    if (peer_.stream->can_read()) {
      char* const to = in.space();
      const auto got = peer_.stream->read(to, in.room_at_end());
      if (got.status == IoStatus::done) {
        in.committed(got.bytes);
        continue;
      }
      if (got.status != IoStatus::again) co_return 0;
    }
    in.release_if_empty();
    client_.out.release_if_empty();
    peer_.deadline.set(until);
    if (!begun) peer_.idle_since = since;
    if (!peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
  }
}

Task<Http1Connection::After> Http1Connection::serve(std::size_t head_size) {
  auto& head = proxy_.request_head;
  client_.in.settle();
  const auto bytes = client_.in.data().substr(0, head_size);
  const auto parsed = http::parse_request(bytes, head);
  const auto framing = parsed ? http::request_framing(head) : http::refuse(parsed.error());
  if (!framing || head.fields.size() > proxy_.limits.max_fields) {
    const auto answer = own_answer(framing ? http::Fault::too_many_fields : framing.error());
    co_return co_await refuse(answer);
  }
  if (peer_.internal && head.target == kSelfTestPath) {
    const OwnAnswer answer{200, {}, {}, 0};
    co_return co_await refuse(answer);
  }
  client_.in.pin(head_size);
  client_.begin_request(head, *framing);
  auto outcome = Exchange::Outcome::broken;
  {
    Exchange exchange(proxy_, client_, head, *framing);
    outcome = co_await exchange.run();
  }
  client_.in.unpin();
  switch (outcome) {
    case Exchange::Outcome::complete: co_return client_.keeps() ? After::next : After::close;
    case Exchange::Outcome::unread: co_return After::close;
    case Exchange::Outcome::broken: break;
  }
  co_return After::drop;
}

// S22: what follows on this connection is not looked at any more.
Task<Http1Connection::After> Http1Connection::refuse(const OwnAnswer& answer) {
  client_.in.clear();
  RequestFacts facts;
  facts.status = answer.status;
  facts.own_error = answer.reason;
  facts.bytes_out = client_.refuse(answer);
  if (!peer_.internal) {
    ++proxy_.unrouted;
    proxy_.unrouted_figures->add(facts);
  }
  co_return co_await flush(proxy_, client_) ? After::close : After::drop;
}

// W1: bytes that the client still sends must not make the kernel reset what it has not read yet.
Task<> Http1Connection::linger() {
  auto& stream = *peer_.stream;
  stream.end_output();
  const auto until = Clock::now() + proxy_.limits.lingering;
  peer_.deadline.set(until);
  client_.in.clear();
  while (!client_.ended && !peer_.cut && Clock::now() < until) {
    if (stream.can_read()) {
      char* const to = client_.in.space();
      const auto got = stream.read(to, client_.in.room_at_end());
      if (got.status == IoStatus::done) continue;  // discarded
      if (got.status != IoStatus::again) break;
    }
    client_.in.release_if_empty();
    if (!peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
  }
}

}  // namespace fleet::proxy
