// A client's connection through TLS: OpenSSL driven on the socket.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "stream.hpp"
#include "tls_contexts.hpp"

namespace fleet::proxy {

class TlsStream final : public Stream {
 public:
  TlsStream(SocketPtr socket, std::shared_ptr<const TlsContexts> contexts);
  ~TlsStream() override;

  IoResult handshake() override;
  IoResult read(char* to, std::size_t room) override;
  IoResult write(std::string_view bytes) override;
  void end_output() override;
  bool can_read() const override;
  bool can_write() const override;
  void arm_read() override;
  void arm_write() override;
  std::string_view tls_version() const override;

 private:
  // What OpenSSL waits for, which may be the other direction of the socket.
  enum class Wants : std::uint8_t { read, write };
  IoResult trouble(int result, Wants& wants);

  std::shared_ptr<const TlsContexts> contexts_;
  SSL* ssl_;
  Wants read_wants_ = Wants::read, write_wants_ = Wants::write;
  bool broken_ = false;
};

}  // namespace fleet::proxy
