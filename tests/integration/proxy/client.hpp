// A naive HTTP/1.1 client: blocking, plain or TLS, keep-alive, one connection.
#pragma once

#include <openssl/ssl.h>

#include <map>
#include <optional>
#include <string>

#include "os/fd.hpp"

namespace fleet::test {

struct Answer {
  int status = 0;                                    // 0: no answer
  std::string head;                                  // status line and fields, each line with its CRLF
  std::string body;                                  // decoded
  bool whole = false;                                // it ended as its framing says
  std::string field(const std::string& name) const;  // empty: absent
  int count(const std::string& text) const;          // occurrences in the head
};

class Client {
 public:
  struct Tls {
    std::string server_name;
    std::string preamble = {};  // sent before the handshake
    std::string protocol = {};  // asked for by ALPN
    const char* signatures = nullptr;  // as SSL_set1_sigalgs_list
    SSL_SESSION* session = nullptr;    // to resume
  };
  explicit Client(std::uint16_t port, std::optional<Tls> tls = {}, const std::string& address = "127.0.0.1");
  ~Client();
  Client(const Client&) = delete;

  bool connected() const { return connected_; }
  bool send(std::string_view bytes);
  // One answer; 1xx heads go to `interim`. `head_request`: no body comes.
  Answer read_answer(bool head_request = false);
  Answer get(const std::string& path, const std::string& host = "shop.test", const std::string& fields = "");
  Answer post(const std::string& path, const std::string& body, const std::string& fields = "");
  std::string read_some(std::size_t most = 65536);  // empty: the end, or an error
  bool at_end();                                    // the server has closed; waits for it up to 10 s
  bool quiet(int ms);                               // nothing arrives, not even an end, for this long
  void end_output();
  void reset();
  std::string certificate_name() const;
  std::string key_kind() const;   // of the certificate: "RSA", "EC"; empty: none was shown
  bool resumed() const { return SSL_session_reused(ssl_) == 1; }
  SSL_SESSION* session() const { return SSL_get1_session(ssl_); }
  std::string application_protocol() const;  // agreed on by ALPN
  std::string interim;
  int fd() const { return fd_.get(); }

 private:
  bool fill();
  os::Fd fd_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
  std::string in_;
};

}  // namespace fleet::test
