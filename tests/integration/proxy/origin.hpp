// A tiny application on 127.0.0.1, or a unix socket: a thread per connection, each running the handler given.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "os/fd.hpp"

namespace fleet::test {

// Blocking, with a limit of 10 s on each operation.
class OriginConnection {
 public:
  explicit OriginConnection(os::Fd fd) : fd_(std::move(fd)) {}
  struct Request {
    std::string head, body, trailers;  // head and trailers without the blank line; body decoded
    std::string line() const { return head.substr(0, head.find("\r\n")); }
    bool has(const std::string& text) const { return head.find(text) != std::string::npos; }
  };
  bool read_head(std::string& head);
  bool read_body(Request& request);     // as its head says
  bool read_request(Request& request);  // false: the peer is gone
  std::string read_some();              // empty: the end
  bool send(std::string_view bytes);
  bool answer(const std::string& body, const std::string& extra = "", int status = 200);
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }
  void reset();

 private:
  bool fill();
  bool read_line(std::string& line);  // without its CRLF
  bool read_bytes(std::size_t size, std::string& into);
  os::Fd fd_;
  std::string in_;
};

class Origin {
 public:
  using Handler = std::function<void(OriginConnection&)>;
  // `socket`: a path; empty: a port that the kernel chooses.
  explicit Origin(Handler handler, const std::string& socket = "", int backlog = 1024);
  ~Origin();
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  void stop_listening();

 private:
  void run();
  Handler handler_;
  os::Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::list<std::shared_ptr<OriginConnection>> open_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

// Answers every request with `body` until the connection ends.
Origin::Handler always(std::string body);

}  // namespace fleet::test
