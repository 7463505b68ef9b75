// One HTTP/1.1 client connection, plain or TLS 1.3, that never blocks and never looks at its socket while it is idle:
// a server that closes an idle connection loses the next request on it, as it does with most HTTP clients.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bench {

// Whom to talk to. Answers to HEAD and answers without a Content-Length are not understood: they count as failures.
struct Server {
  sockaddr_in address{};
  SSL_CTX* tls = nullptr;  // none: plain
  std::string name;        // the Host of requests, and the server name of TLS
};

class Connection {
 public:
  enum class State : std::uint8_t { closed, connecting, handshaking, idle, busy };
  enum class Outcome : std::uint8_t { nothing, opened, answered, failed };

  // Its events arrive at `epoll` (edge-triggered) with `this` as their data.
  Connection(const Server& server, int epoll) : server_(server), epoll_(epoll) {}
  ~Connection() { close(); }
  Connection(const Connection&) = delete;

  State state() const { return state_; }
  bool usable() const { return state_ == State::idle; }

  std::chrono::steady_clock::time_point since;  // when its request was due; for whoever uses it

  void open();  // anew, whatever it was
  void close();
  // Of an idle connection. `request` must live until the answer.
  Outcome send(std::string_view request);
  // What came of an event. After `failed` it is closed; after `answered` it is idle, or closed if the server said so.
  Outcome progress();
  // Whether the server has neither closed it nor sent something unasked.
  bool quiet() const;

 private:
  Outcome fail();
  Outcome handshake();
  Outcome exchange();
  Outcome receive();
  Outcome take(std::string_view bytes);
  bool take_head();
  // Above 0: bytes; 0: would block; below 0: the connection has ended.
  int read(char* to, std::size_t size);
  int write(std::string_view bytes);
  int tls_result(int returned);

  const Server& server_;
  int epoll_;
  int fd_ = -1;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  State state_ = State::closed;
  bool unseen_ = false;       // something happened while it was idle
  bool last_ = false;         // the answer said Connection: close
  std::string_view sending_;  // what is left of the request
  std::string head_;          // of the answer, until it is whole
  bool in_body_ = false;
  std::uint64_t body_left_ = 0;
};

}  // namespace bench
