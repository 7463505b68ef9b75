// HTTP/2 over TLS on a socket that never waits. Unlike `Connection` it is not naive: it looks at what the server says, a
// GOAWAY above all, before it sends more.
#pragma once

#include "support/http2_streams.hpp"

namespace fleet::test {

class Http2Connection {
 public:
  static Expected<Http2Connection> open(Peer peer);

  Http2Streams& streams() { return *streams_; }
  int socket() const { return connection_.socket(); }
  std::uint16_t own_port() const { return connection_.own_port(); }
  bool has_to_send() const { return !streams_->out().empty(); }
  // Sends and takes what can be without waiting. After it is over, nothing.
  void turn();

 private:
  explicit Http2Connection(Connection connection);

  Connection connection_;
  std::unique_ptr<Http2Streams> streams_;
};

}  // namespace fleet::test
