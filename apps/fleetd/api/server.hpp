// The API's HTTP/1.1 server: the unix socket, and the TCP listener if there is one. Every request has limits: 16 KiB of
// head, 1 MiB of body, deadlines, and so many connections at once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/backend.hpp"
#include "core/config.hpp"
#include "core/result.hpp"
#include "net/task.hpp"
#include "os/fd.hpp"

namespace fleet::api {

struct Limits {
  std::size_t connections = 128;  // of the unix socket, and as many of TCP; one more is told so and closed
  milliseconds read{10000};       // for a whole request, and for the next one to begin
  milliseconds write{30000};      // for a peer to take an answer or a piece of one
  milliseconds wrong_token{300};  // until a 401 is said
};

class Server {
 public:
  Server(net::asio::io_context& io, Backend& backend, Limits limits = {});
  ~Server();  // closes; the backend must live until the io_context has run what is left
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens on the unix socket (mode 0660); on `handed_down`, if it is that of a former server here.
  Result<> open(const std::string& socket_path, os::Fd handed_down = {});

  // Makes the TCP listener what the configuration says: opened, moved, closed, its token and certificate read anew.
  // On error the former stays wholly in force. Off loopback a certificate is required.
  Result<> configure(const ApiConfig& config);

  // Whether configure() would find the token and certificate that it needs. Changes nothing.
  static Result<> check(const ApiConfig& config);

  // The TCP listener of a former server, for configure() to use if it is at the address that is wanted.
  void hand_down(os::Fd tcp_listener);

  // Of the TCP listener, as bound.
  std::optional<Endpoint> tcp() const;

  // Lets new clients wait, and those whose requests are being answered have their answers, for at most so long; streams
  // are not waited for. resume() goes on.
  net::Task<> pause(milliseconds at_most);
  void resume();
  // -1: none.
  int unix_listener() const;
  int tcp_listener() const;

  // Stops listening and drops every connection.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace fleet::api
