#include "clients/session.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "http/proxy_protocol.hpp"
#include "http1/http1_connection.hpp"
#include "http2/http2_connection.hpp"

namespace fleet::proxy {

Task<> Session::run() {
  if (with_header_ && !co_await read_proxy_header()) {
    ++proxy_.edge.bad_headers;
    co_return;
  }
  if (!admit()) co_return;
  const bool shaken = co_await handshake();
  if (peer_.https && !peer_.internal) {
    if (shaken) proxy_.handshakes.succeeded(peer_.stream->tls_version(), peer_.stream->tls_resumed());
    else proxy_.handshakes.failed();
  }
  if (!shaken) co_return;
  if (peer_.stream->protocol() == "h2") {
    Http2Connection connection(proxy_, peer_);
    co_await connection.run();
  } else {
    Http1Connection connection(proxy_, peer_);
    co_await connection.run();
  }
}

// P9: who is there is said before anything else, TLS too. No byte behind the header is taken from the socket.
Task<bool> Session::read_proxy_header() {
  if (!proxy_.edge.trusts(peer_.ip)) co_return false;
  char bytes[http::kMaxProxyHeaderV2];
  std::size_t taken = 0;
  auto& socket = peer_.stream->socket();
  const auto until = Clock::now() + proxy_.limits.head;
  peer_.deadline.set(until);
  for (;;) {
    const ssize_t seen = ::recv(socket.fd(), bytes + taken, sizeof bytes - taken, MSG_PEEK | MSG_DONTWAIT);
    if (seen == 0 || (seen < 0 && errno != EAGAIN && errno != EINTR)) co_return false;
    if (seen > 0) {
      const auto end = taken + static_cast<std::size_t>(seen);
      http::ProxyHeader header;
      const auto size = http::parse_proxy_header({bytes, end}, header);
      if (!size) co_return false;
      const auto rest = (*size > 0 ? *size : end) - taken;
      if (::recv(socket.fd(), bytes + taken, rest, MSG_DONTWAIT) != static_cast<ssize_t>(rest)) co_return false;
      taken += rest;
      if (*size == 0) continue;
      if (header.tells) peer_.ip = header.client, peer_.address = to_string(header.client);
      co_return true;
    }
    if (!peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
    if (peer_.cut || Clock::now() >= until) co_return false;
  }
}

// One address cannot take all the connections there are.
bool Session::admit() {
  auto& edge = proxy_.edge;
  if (peer_.internal) return true;
  peer_.place.emplace(edge.guests, peer_.ip);
  if (peer_.place->of_same_guest() <= proxy_.limits.max_per_address || edge.trusts(peer_.ip)) return true;
  ++edge.over_limit;
  return false;
}

Task<bool> Session::handshake() {
  const auto until = Clock::now() + proxy_.limits.handshake;
  peer_.deadline.set(until);
  for (;;) {
    const auto result = peer_.stream->handshake();
    if (result.status == IoStatus::done) co_return true;
    if (result.status != IoStatus::again) co_return false;
    if (!peer_.wakeup.take_pending()) co_await peer_.wakeup.sleep();
    if (peer_.cut || Clock::now() >= until) co_return false;
  }
}

}  // namespace fleet::proxy
