// What every session of a worker shares: one thread, one loop, no locks.
#pragma once

#include <memory>

#include "assets/server.hpp"
#include "clients/edge.hpp"
#include "encryption/tls_contexts.hpp"
#include "io/buffer.hpp"
#include "io/loop.hpp"
#include "limits.hpp"
#include "telemetry/access_log.hpp"
#include "upstream/router.hpp"

namespace fleet::proxy {

// Lets go more of those that wait, once the round's other work is done.
struct Release final : Deferred {
  explicit Release(Holds& its_holds) : holds(its_holds) {}
  void run_deferred() override { holds.release(Clock::now()); }
  Holds& holds;
};

struct Proxy {
  Proxy(Loop& its_loop, const Limits& given, Target::Observer& observer)
      : loop(its_loop), limits(given), router(observer) {}

  Loop& loop;
  Limits limits;
  Edge edge;
  Router router;
  Release release{router.holds};
  route::Logins logins{route::Logins::secret()};
  AccessLogs logs;
  std::shared_ptr<assets::Server> assets;  // null: files of former releases are not given
  std::shared_ptr<const TlsContexts> tls;  // null until keys came
  std::uint16_t https_port = 443;          // where redirects to https lead
  bool draining = false;                   // every answer from now on closes its connection (W1)
  bool replaced = false;                   // draining, and a successor accepts

  FiguresPtr unrouted_figures = router.figures.of("", 0);
  Handshakes handshakes;
  std::uint64_t unrouted = 0, unavailable = 0;
  std::uint32_t active = 0, retrying = 0;  // exchanges now, and those of them on a further attempt

  http::RequestHead request_head;    // scratch: valid from a parse until the next suspension
  http::ResponseHead response_head;  // likewise
  http::FieldList trailers;          // likewise
};

// The client at the other end of one connection.
struct Peer {
  Peer(std::unique_ptr<Stream> connection, std::string peer_address, bool is_https)
      : stream(std::move(connection)),
        address(std::move(peer_address)),
        ip(parse_address(address).value_or(IpAddress{})),
        https(is_https) {
    stream->socket().set_listener(&wakeup);
  }

  std::unique_ptr<Stream> stream;
  std::string address;  // textual; the client's own once a PROXY header was read
  IpAddress ip;         // the same
  const bool https;
  bool internal = false;  // the worker's own self test
  bool cut = false;       // the worker's drain is over: stop where you are
  std::uint32_t exchanges = 0;  // under way
  Wakeup wakeup;
  Deadline deadline{wakeup};
  // It may be closed to make room: no request is under way since then. The maximum: it may not.
  Clock::time_point idle_since = Clock::time_point::max();
  std::optional<Guests::Place> place;
};

}  // namespace fleet::proxy
