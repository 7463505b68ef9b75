// An HTTP server that misbehaves as told: one thread, one request per connection, on a port of 127.0.0.1.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "os/fd.hpp"

namespace fleet::test {

struct Request {
  std::string path;
  std::map<std::string, std::string> headers;  // by lower-case name
};

class Connection {
 public:
  Connection(int fd, SSL* tls) : fd_(fd), tls_(tls) {}
  // False once the client is gone.
  bool send(std::string_view bytes);
  // A whole answer with its Content-Length.
  void answer(std::string_view status, std::string_view body, std::string_view headers = "");
  void redirect(std::string_view location);
  void wait_until_client_leaves();
  std::string receive();
  // Whether anything came, be it the end, in this time.
  bool receive_within(std::chrono::milliseconds time);

 private:
  int fd_;
  SSL* tls_;
};

class Server {
 public:
  using Handler = std::function<void(const Request&, Connection&)>;

  explicit Server(Handler handler, bool tls = false);
  ~Server();

  std::string url(std::string_view path) const;
  std::vector<Request> requests() const;
  // With tls: the certificate, for SSL_CERT_FILE.
  const std::string& certificate_pem() const { return certificate_pem_; }

 private:
  void serve();
  void serve_one(int fd);

  Handler handler_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_{nullptr, SSL_CTX_free};
  std::string certificate_pem_;
  os::Fd listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace fleet::test
