// Bytes to and from one peer, plain or through TLS. The one seam between the data plane and what carries its bytes:
// nothing above it knows OpenSSL. Calls never block.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "io/socket.hpp"

namespace fleet::proxy {

enum class IoStatus : std::uint8_t {
  done,
  again,   // would block: wait
  closed,  // read: the peer sends no more
  failed,  // reset, or the protocol is broken
};

struct IoResult {
  IoStatus status = IoStatus::done;
  std::size_t bytes = 0;
};

class Stream {
 public:
  explicit Stream(SocketPtr socket) : socket_(std::move(socket)) {}
  virtual ~Stream() { socket_->close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  virtual IoResult handshake() { return {}; }
  virtual IoResult read(char* to, std::size_t room) = 0;
  virtual IoResult write(std::string_view bytes) = 0;
  virtual void end_output() = 0;  // says that no more will come

  // Would a try get anywhere, as far as is known?
  virtual bool can_read() const { return socket_->readable; }
  virtual bool can_write() const { return socket_->writable; }


  virtual std::string_view tls_version() const { return {}; }  // empty: not encrypted
  virtual std::string_view protocol() const { return {}; }     // agreed on by ALPN; empty: none
  // P13: may requests for `host` (lower case, no port) come here, after what the handshake was for?
  virtual bool covers(std::string_view) const { return true; }
  virtual bool tls_resumed() const { return false; }
  Socket& socket() { return *socket_; }

 protected:
  SocketPtr socket_;
};

class PlainStream final : public Stream {
 public:
  using Stream::Stream;
  IoResult read(char* to, std::size_t room) override;
  IoResult write(std::string_view bytes) override;
  void end_output() override;
};

}  // namespace fleet::proxy
