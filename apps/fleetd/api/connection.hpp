// One client's connection: requests read, admitted, answered, until it ends. The only place that includes Beast.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "api/backend.hpp"
#include "api/gate.hpp"
#include "api/server.hpp"

namespace fleet::api {

using Socket = net::asio::basic_stream_socket<net::asio::generic::stream_protocol, net::Executor>;

// A socket that can be closed from outside, and closes itself at its deadline.
class Link {
 public:
  Link(net::asio::io_context& io, Socket opened) : socket(std::move(opened)), deadline_(io) {}
  Socket socket;

  static void arm(const std::shared_ptr<Link>& link, milliseconds time);
  void disarm() { deadline_.cancel(); }
  void close();

  bool streams = false;  // its answer goes on until somebody ends it

 private:
  net::Timer deadline_;
};

// `tls` is null on plain transports. Returns when the connection has ended; the caller closes the link.
net::Task<> serve(std::shared_ptr<Link> link, std::shared_ptr<net::asio::ssl::context> tls, Backend& backend,
                  std::shared_ptr<const Policy> policy, Peer peer, Limits limits);

}  // namespace fleet::api
