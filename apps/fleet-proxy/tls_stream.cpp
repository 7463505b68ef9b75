#include "tls_stream.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <new>

namespace fleet::proxy {

TlsStream::TlsStream(SocketPtr socket, std::shared_ptr<const TlsContexts> contexts)
    : Stream(std::move(socket)), contexts_(std::move(contexts)), ssl_(SSL_new(contexts_->first())) {
  if (!ssl_ || SSL_set_fd(ssl_, socket_->fd()) != 1) throw std::bad_alloc();
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

IoResult TlsStream::trouble(int result, Wants& wants) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      wants = Wants::read;
      socket_->readable = false;
      return {IoStatus::again};
    case SSL_ERROR_WANT_WRITE:
      wants = Wants::write;
      socket_->writable = false;
      return {IoStatus::again};
    case SSL_ERROR_ZERO_RETURN: return {IoStatus::closed};
    default:
      broken_ = true;
      ERR_clear_error();
      return {IoStatus::failed};
  }
}

IoResult TlsStream::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return {};
  return trouble(result, read_wants_);
}

IoResult TlsStream::read(char* to, std::size_t room) {
  ERR_clear_error();
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_, to, room, &got);
  if (result != 1) return trouble(result, read_wants_);
  read_wants_ = Wants::read;
  // OpenSSL reads ahead: with nothing left in its buffer the socket is empty, and the next wait looks again anyway.
  if (got < room && SSL_has_pending(ssl_) == 0) socket_->readable = false;
  return {IoStatus::done, got};
}

IoResult TlsStream::write(std::string_view bytes) {
  ERR_clear_error();
  std::size_t sent = 0;
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent);
  if (result != 1) return trouble(result, write_wants_);
  write_wants_ = Wants::write;
  return {IoStatus::done, sent};
}

void TlsStream::end_output() {
  if (!broken_ && SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
  ERR_clear_error();
  ::shutdown(socket_->fd(), SHUT_WR);
}

bool TlsStream::can_read() const {
  if (read_wants_ == Wants::write) return socket_->writable;
  return socket_->readable || SSL_has_pending(ssl_) == 1;
}

bool TlsStream::can_write() const { return write_wants_ == Wants::write ? socket_->writable : socket_->readable; }

void TlsStream::arm_read() { read_wants_ == Wants::write ? socket_->arm_write() : socket_->arm_read(); }
void TlsStream::arm_write() { write_wants_ == Wants::write ? socket_->arm_write() : socket_->arm_read(); }

std::string_view TlsStream::tls_version() const { return SSL_get_version(ssl_); }

}  // namespace fleet::proxy
