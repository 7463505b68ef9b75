// A client's connection through TLS. OpenSSL reads and writes memory; the socket is read and written here, in large
// pieces, through stretches of memory that all connections of the worker share: an idle connection holds none.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "encryption/tls_contexts.hpp"
#include "io/stream.hpp"

namespace fleet::proxy {

class TlsStream final : public Stream {
 public:
  TlsStream(SocketPtr socket, std::shared_ptr<const TlsContexts> contexts);
  ~TlsStream() override;

  IoResult handshake() override;
  IoResult read(char* to, std::size_t room) override;
  // What was not done must come again, first: some of it may be under way, encrypted.
  IoResult write(std::string_view bytes) override;
  void end_output() override;
  bool can_read() const override;
  bool can_write() const override { return socket_->writable; }
  std::string_view tls_version() const override;
  std::string_view protocol() const override;
  bool covers(std::string_view host) const override;
  bool tls_resumed() const override { return SSL_session_reused(ssl_) == 1; }

 private:
  static BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* to, int room);
  static int bio_write(BIO* bio, const char* from, int size);
  static long bio_control(BIO* bio, int command, long, void*);
  int fill(std::size_t room);
  void begin_call(std::size_t window);
  void end_call();

  IoResult trouble();
  bool send_unsent();  // false: some is left, or the socket broke
  void take_held();
  void send_records();

  std::shared_ptr<const TlsContexts> contexts_;
  SSL* ssl_;
  std::string ahead_;      // came, and OpenSSL has not asked for it yet
  std::string unsent_;     // records that the socket did not take
  bool held_ = false;      // unsent_ is what need not leave before an answer does
  std::size_t owed_ = 0;   // bytes in unsent_, as write() was given them, that were not reported as done
  std::size_t window_ = 0;  // how much may be read from the socket now
  bool small_next_ = true;  // the next record is the first of an answer
  bool more_ = false;       // OpenSSL holds bytes for which there was no room
  bool peer_ended_ = false, broken_ = false;
};

}  // namespace fleet::proxy
