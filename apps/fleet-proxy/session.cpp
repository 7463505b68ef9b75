#include "session.hpp"

namespace fleet::proxy {

Task<bool> flush(Proxy& proxy, ClientConnection& client) {
  auto until = Clock::now() + proxy.limits.client_idle;
  while (!client.out.empty()) {
    if (client.cut || Clock::now() >= until) co_return false;
    if (client.stream->can_write()) {
      const auto sent = client.stream->write(client.out.data());
      if (sent.status == IoStatus::done) {
        client.out.consumed(sent.bytes);
        until = Clock::now() + proxy.limits.client_idle;
        continue;
      }
      if (sent.status != IoStatus::again) co_return false;
    }
    client.deadline.set(until);
    client.stream->arm_write();
    if (!client.wakeup.take_pending()) co_await client.wakeup.sleep();
  }
  co_return true;
}

Task<> Session::run() {
  if (!co_await handshake()) co_return;
  for (bool first = true;; first = false) {
    const auto size = co_await read_head(first);
    if (size == 0) break;
    after_ = co_await serve(size);
    if (after_ != Exchange::After::keep) break;
  }
  if (after_ == Exchange::After::keep) client_.stream->end_output();
  if (after_ == Exchange::After::close) co_await linger();
  // D5: an answer to HTTP/1.0 that only the close would end must not look whole.
  if (after_ == Exchange::After::drop) client_.stream->socket().abort();
}

Task<bool> Session::handshake() {
  const auto until = Clock::now() + proxy_.limits.handshake;
  client_.deadline.set(until);
  client_.stream->socket().readable = true;
  for (;;) {
    const auto result = client_.stream->handshake();
    if (result.status == IoStatus::done) co_return true;
    if (result.status != IoStatus::again) co_return false;
    client_.stream->arm_read();
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
    if (client_.cut || Clock::now() >= until) co_return false;
  }
}

// The size of a complete head at the start of client_.in, or 0: the connection is over.
Task<std::size_t> Session::read_head(bool first) {
  auto& in = client_.in;
  scanner_.reset();
  const auto& limits = proxy_.limits;
  bool begun = false;
  auto until = Clock::now() + (first ? limits.head : limits.keep_alive);
  for (;;) {
    while (!begun && in.data().starts_with("\r\n")) in.consumed(2);  // RFC 9112 §2.2
    if (!in.empty() && in.data() != "\r") {
      if (!begun && !first) until = Clock::now() + limits.head;
      begun = true;
      const auto size = scanner_.scan(in.data());
      if (!size) {
        const auto answer = own_answer(size.error());
        after_ = co_await refuse(answer);
        co_return 0;
      }
      if (*size > 0) co_return *size;
    }
    if (client_.ended || client_.cut) co_return 0;
    if (Clock::now() >= until) {
      const auto answer = own::request_timeout();
      if (begun) after_ = co_await refuse(answer);
      co_return 0;
    }
    if (client_.stream->can_read()) {
      char* const to = in.space();
      const auto got = client_.stream->read(to, in.room_at_end());
      if (got.status == IoStatus::done) {
        in.committed(got.bytes);
        continue;
      }
      if (got.status != IoStatus::again) co_return 0;
    }
    in.release_if_empty();
    client_.out.release_if_empty();
    client_.deadline.set(until);
    client_.stream->arm_read();
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
  }
}

Task<Exchange::After> Session::serve(std::size_t head_size) {
  auto& head = proxy_.request_head;
  client_.in.settle();
  const auto bytes = client_.in.data().substr(0, head_size);
  const auto parsed = http::parse_request(bytes, head);
  const auto framing = parsed ? http::request_framing(head) : http::refuse(parsed.error());
  if (!framing) {
    const auto answer = own_answer(framing.error());
    co_return co_await refuse(answer);
  }
  if (client_.internal && head.target == kSelfTestPath) {
    const OwnAnswer answer{200, {}, {}, 0};
    co_return co_await refuse(answer);
  }
  client_.in.pin(head_size);
  auto after = Exchange::After::drop;
  {
    Exchange exchange(proxy_, client_, head, *framing);
    after = co_await exchange.run();
  }
  client_.in.unpin();
  co_return after;
}

// S22: what follows on this connection is not looked at any more.
Task<Exchange::After> Session::refuse(const OwnAnswer& answer) {
  if (!client_.internal) ++proxy_.unrouted;
  client_.in.clear();
  client_.out.write([&](http::Writer& out) { write_own_answer(out, answer, true, http::Persistence::close); });
  co_return co_await flush(proxy_, client_) ? Exchange::After::close : Exchange::After::drop;
}

// W1: bytes that the client still sends must not make the kernel reset what it has not read yet.
Task<> Session::linger() {
  auto& stream = *client_.stream;
  stream.end_output();
  const auto until = Clock::now() + proxy_.limits.lingering;
  client_.deadline.set(until);
  client_.in.clear();
  while (!client_.ended && !client_.cut && Clock::now() < until) {
    if (stream.can_read()) {
      char* const to = client_.in.space();
      const auto got = stream.read(to, client_.in.room_at_end());
      if (got.status == IoStatus::done) continue;  // discarded
      if (got.status != IoStatus::again) break;
    }
    client_.in.release_if_empty();
    stream.arm_read();
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
  }
}

}  // namespace fleet::proxy
