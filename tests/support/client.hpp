// A blocking HTTP/1.1 client over TCP, TLS or a unix socket that is naive on purpose: it reuses a connection without
// looking whether it is still good, and never retries.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/names.hpp"

namespace fleet::test {

using std::chrono::milliseconds;

enum class Cause : std::uint8_t {
  connect,    // refused, reset or timed out before there was a connection
  tls,        // no handshake
  send,       // the request could not be written
  no_answer,  // closed or reset before the first byte of an answer
  cut,        // closed or reset in an answer
  timeout,    // silence for longer than the peer's timeout
  malformed,  // not HTTP
  status,     // an answer with another status than was to be expected
  body,       // an answer whose content is not consistent
};
FLEET_NAMES(Cause, "connect", "tls", "send", "no_answer", "cut", "timeout", "malformed", "status", "body")

struct Failure {
  Cause cause = Cause::connect;
  std::string text;
  std::uint16_t port = 0;  // ours, where there was a connection and no handshake
};
template <class T = void>
using Expected = std::expected<T, Failure>;

struct Peer {
  std::string address = "127.0.0.1";  // numeric, IPv6 without brackets
  std::uint16_t port = 0;
  std::string unix_path;          // not empty: instead of address and port
  bool tls = false;               // certificates are not verified
  std::string server_name;        // SNI and Host; empty: address:port
  std::string protocol;           // to be agreed on by ALPN, "h2"; empty: none is asked for
  milliseconds timeout{20000};    // of each wait
  std::string authority() const;  // for the Host field
};

// "https://name:8443" with an optional address to connect to instead of resolving the name; only numeric addresses and
// localhost are known otherwise.
Expected<Peer> parse_url(std::string_view url, std::string_view connect_to = {});

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // empty if a sink took it
  std::uint64_t body_bytes = 0;
  bool keeps = false;                                    // the connection may be used again
  std::string_view header(std::string_view name) const;  // empty: absent
};

using Sink = std::function<void(std::string_view)>;

class Connection {
 public:
  static Expected<Connection> open(const Peer& peer);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  Expected<> send(std::string_view bytes);
  // The next answer; 1xx are skipped. `method` is that of the request: HEAD has no body.
  Expected<Response> receive(std::string_view method = "GET", const Sink& sink = {});

  // For those who wait themselves: from now on nothing here does.
  void never_wait();
  // What there is; empty: nothing now. An error is the end of the connection.
  Expected<std::string> take_some();
  // How much of it went.
  Expected<std::size_t> give_some(std::string_view bytes);

  // The next head, of a 1xx too, as an answer without a body.
  Expected<Response> receive_head();

  // Common name of the certificate that the server showed.
  std::string certificate_name() const;
  int socket() const;
  std::uint16_t own_port() const;  // 0: none, on a unix socket

 private:
  struct State;
  explicit Connection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// One whole request on a connection of its own. `headers` are full lines without their end.
Expected<Response> fetch(const Peer& peer, std::string_view method, std::string_view target,
                         const std::vector<std::string>& headers = {}, std::string_view body = {});
std::string request_text(const Peer& peer, std::string_view method, std::string_view target,
                         const std::vector<std::string>& headers = {}, std::string_view body = {});

}  // namespace fleet::test
