// The client's half of an exchange, whatever it speaks: HTTP/1.1 on a connection of its own, or one stream of HTTP/2.
// An exchange moves a request's body out of it and an answer into it. No call blocks; what cannot be done now is asked
// for by arm(), and the wakeup tells when to try again.
#pragma once

#include "exchange/errors.hpp"
#include "proxy.hpp"

namespace fleet::proxy {

class ClientSide {
 public:
  // `its_wakeup`, `its_deadline`: the peer's own, or those of one stream.
  ClientSide(Peer& its_peer, Wakeup& its_wakeup, Deadline& its_deadline)
      : peer(its_peer), wakeup(its_wakeup), deadline(its_deadline) {}
  ClientSide(const ClientSide&) = delete;
  ClientSide& operator=(const ClientSide&) = delete;

  Peer& peer;
  Wakeup& wakeup;
  Deadline& deadline;

  virtual std::string_view protocol() const = 0;  // as logs name it: "HTTP/1.1", "HTTP/2.0"

  // ---- what comes from the client

  // Takes in what has arrived, as far as there is room. True when anything changed.
  virtual bool receive() = 0;
  // Bytes of the request's body at hand, without framing; the view holds until the next call of anything here. A fault
  // is the client's.
  virtual http::Parsed<std::string_view> body() = 0;
  virtual void body_taken(std::size_t n) = 0;
  // No more of it comes, and all was taken. In a tunnel: the client has ended its direction.
  virtual bool body_ended() const = 0;
  // As http::BodyReader's; may be asked for once body_ended().
  virtual std::string_view trailers() const = 0;
  // It reset the stream or connection, or closed it before its request was whole (R10, W9).
  virtual bool gone() const = 0;

  // ---- what goes to the client

  // A 1xx. False: it cannot have one (P5).
  virtual bool interim(const http::ResponseHead& head) = 0;
  // Is there room for a head of any size?
  virtual bool takes_head() const = 0;
  // The final head. `framing`: of the body as it comes from the application. `last`: the client's connection should take
  // no further request.
  virtual void begin(const http::ResponseHead& head, const http::Framing& framing, const http::ResponseRewrite& rewrite,
                     bool last) = 0;
  // A 101 from the application (P7): from now on body() and send() are the two directions of the tunnel.
  virtual void begin_tunnel(const http::ResponseHead& head) = 0;
  // Takes as many bytes of the answer's body as it can.
  virtual std::size_t send(std::string_view bytes) = 0;
  // The answer is whole. `trailers` may be null. False: no room yet, ask again.
  virtual bool end(const http::FieldList* trailers) = 0;
  // An answer of our own, whole. `request_whole`: nothing of the request is left behind in the connection. Returns how
  // many bytes of a body it has.
  virtual std::size_t answer(const OwnAnswer& answer, bool request_whole) = 0;

  // Writes out what is queued. True when anything moved, or the client turned out to be gone.
  virtual bool flush() = 0;
  virtual bool flushed() const = 0;

  // Asks to be woken when receive() has something, when flush() can go on, and, if `more` waits, when send() can.
  virtual void arm(bool more) = 0;

 protected:
  ~ClientSide() = default;
};

// Sends what is queued for the client, within its inactivity limit. False: it is gone.
Task<bool> flush(Proxy& proxy, ClientSide& client);

}  // namespace fleet::proxy
