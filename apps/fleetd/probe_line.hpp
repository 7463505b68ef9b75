// A connection to one instance that outlives a probe, where the application keeps it: a connection for each of hundreds of
// probes a second costs more than they do. Now and then a new one is made all the same, since an application that serves
// the connections it has, but takes no more, is not well.
//
// While it is kept the loop does not watch it, so that what comes wakes nobody.
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
  static constexpr unsigned kProbes = 60;                // over one connection
  static constexpr std::size_t kLongestBody = 64 << 10;  // of an answer that a connection is kept after

  explicit ProbeLine(net::asio::io_context& io) : socket_(io) {}

  // Sends a request on a connection that was kept. False: there is none, the last answer's body has not
  // come to its end, or it has had its probes. Whether the application has closed it meanwhile shows in the answer.
  bool say(std::string_view request);
  bool is_asked() const { return asked_; }  // and the answer was not kept() yet
  // Takes what has come of the answer. False: nothing more will.
  bool hear();
  std::string& heard() { return heard_; }

  // To wait on; is closed before it is connected anew.
  Socket& socket();

  // After an answer, of whose head so many bytes of heard() are: whether the connection is kept. The rest of its body may
  // come until say().
  bool keep(std::size_t head);

  void close();
  // For good: a probe that is under way fails, and none begins any more.
  void give_up() { given_up_ = true, close(); }
  bool is_given_up() const { return given_up_; }

 private:
  bool is_good();
  bool skip(std::string_view bytes);

  Socket socket_;
  os::Fd kept_;  // in place of the socket, while nobody waits
  std::string heard_;
  http::BodyReader body_;
  std::size_t skipped_ = 0;  // of this body
  unsigned probes_ = 0;      // over this connection
  bool asked_ = false, given_up_ = false;
};

}  // namespace fleet
