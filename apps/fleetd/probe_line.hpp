// A connection to one instance that outlives a probe, where the application keeps it: a connection for each of hundreds of
// probes a second costs more than they do. Now and then a new one is made all the same, since an application that serves
// the connections it has, but takes no more, is not well.
//
// Between probes the loop does not watch it, so that what comes wakes nobody.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "http/body.hpp"
#include "net/task.hpp"
#include "os/fd.hpp"

namespace fleet {

class ProbeLine {
 public:
  using Protocol = net::asio::generic::stream_protocol;
  using Socket = net::asio::basic_stream_socket<Protocol, net::Executor>;
  static constexpr unsigned kProbes = 10;                // over one connection
  static constexpr std::size_t kLongestBody = 64 << 10;  // of an answer that a connection is kept after

  explicit ProbeLine(net::asio::io_context& io) : socket_(io) {}

  // Before a probe: whether there is a connection to use again. One that the application has closed, or on which the last
  // answer's body has not come to its end, is closed.
  bool take_up();

  // Another probe uses it. Whether that is the last one.
  bool count() { return ++probes_ >= kProbes; }

  // On one that was taken up: all of it went; what has come so far, false when the connection has ended. Neither waits.
  bool say(std::string_view request);
  bool hear(std::string& bytes);

  // For waiting, on one that was taken up too.
  Socket& socket();

  // After a probe, `head` and what came behind it: whether it is kept. The rest of the body may come until take_up().
  bool keep(std::string_view head, std::string_view rest);

  void close();
  // For good: a probe that is under way fails, and none begins any more.
  void give_up() { given_up_ = true, close(); }
  bool is_given_up() const { return given_up_; }

 private:
  bool skip(std::string_view bytes);

  Socket socket_;
  os::Fd kept_;  // in place of the socket, while nobody waits
  http::BodyReader body_;
  std::size_t skipped_ = 0;  // of this body
  unsigned probes_ = 0;      // over this connection
  bool given_up_ = false;
};

}  // namespace fleet
