#include "connection.hpp"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace bench {
namespace {

constexpr std::size_t kMaxHead = 64u << 10;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// The value of a field of a head in lower case; empty when there is none.
std::string_view field(std::string_view head, std::string_view name) {
  const auto at = head.find("\r\n" + std::string(name) + ":");
  if (at == head.npos) return {};
  auto value = head.substr(at + name.size() + 3);
  value = value.substr(0, value.find("\r\n"));
  return value.substr(std::min(value.find_first_not_of(' '), value.size()));
}

}  // namespace

void Connection::open() {
  close();
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return;
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event);
  state_ = State::connecting;
  const auto* address = reinterpret_cast<const sockaddr*>(&server_.address);
  if (::connect(fd_, address, sizeof server_.address) != 0 && errno != EINPROGRESS) close();
}

void Connection::close() {
  if (ssl_ && state_ == State::idle) SSL_shutdown(ssl_.get());
  ssl_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  state_ = State::closed;
  unseen_ = last_ = in_body_ = false;
  sending_ = {};
  head_.clear();
}

Connection::Outcome Connection::fail() {
  close();
  return Outcome::failed;
}

Connection::Outcome Connection::send(std::string_view request) {
  state_ = State::busy;
  sending_ = request;
  if (unseen_) return exchange();
  const int sent = write(sending_);
  if (sent < 0) return fail();
  sending_.remove_prefix(static_cast<std::size_t>(sent));
  return Outcome::nothing;
}

Connection::Outcome Connection::progress() {
  switch (state_) {
    case State::closed: return Outcome::nothing;
    case State::connecting: {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return fail();
      if (!server_.tls) return state_ = State::idle, Outcome::opened;
      ssl_.reset(SSL_new(server_.tls));
      SSL_set_fd(ssl_.get(), fd_);
      SSL_set_tlsext_host_name(ssl_.get(), server_.name.c_str());
      state_ = State::handshaking;
      return handshake();
    }
    case State::handshaking: return handshake();
    case State::idle: return unseen_ = true, Outcome::nothing;
    case State::busy: return exchange();
  }
  return Outcome::nothing;
}

bool Connection::quiet() const {
  char byte;
  const auto n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  // Session tickets lie in the socket until the next read.
  return n > 0 ? server_.tls != nullptr : n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Connection::Outcome Connection::handshake() {
  const int done = SSL_connect(ssl_.get());
  if (done == 1) return state_ = State::idle, Outcome::opened;
  return tls_result(done) < 0 ? fail() : Outcome::nothing;
}

Connection::Outcome Connection::exchange() {
  unseen_ = false;
  while (!sending_.empty()) {
    const int sent = write(sending_);
    if (sent < 0) return fail();
    if (sent == 0) break;
    sending_.remove_prefix(static_cast<std::size_t>(sent));
  }
  return receive();
}

Connection::Outcome Connection::receive() {
  static std::array<char, 64u << 10> room;
  while (true) {
    const int n = read(room.data(), room.size());
    if (n == 0) return Outcome::nothing;
    if (n < 0) return fail();
    const auto outcome = take({room.data(), static_cast<std::size_t>(n)});
    if (outcome != Outcome::nothing) return outcome;
  }
}

Connection::Outcome Connection::take(std::string_view bytes) {
  if (!in_body_) {
    const auto before = head_.size();
    head_.append(bytes);
    const auto end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == head_.npos) return head_.size() > kMaxHead ? fail() : Outcome::nothing;
    bytes.remove_prefix(end + 4 - before);
    head_.resize(end + 2);
    if (!take_head()) return fail();
  }
  if (bytes.size() > body_left_) return fail();
  body_left_ -= bytes.size();
  if (body_left_ > 0) return Outcome::nothing;
  in_body_ = false;
  state_ = State::idle;
  if (last_) close();
  return Outcome::answered;
}

bool Connection::take_head() {
  const auto head = lower(std::move(head_));
  head_.clear();
  if (!head.starts_with("http/1.1 2")) return false;
  const auto length = field(head, "content-length");
  if (std::from_chars(length.data(), length.data() + length.size(), body_left_).ec != std::errc()) return false;
  last_ = field(head, "connection") == "close";
  return in_body_ = true;
}

int Connection::read(char* to, std::size_t size) {
  if (ssl_) return tls_result(SSL_read(ssl_.get(), to, static_cast<int>(size)));
  const auto n = ::recv(fd_, to, size, 0);
  if (n > 0) return static_cast<int>(n);
  return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int Connection::write(std::string_view bytes) {
  if (ssl_) return tls_result(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())));
  const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n >= 0) return static_cast<int>(n);
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

int Connection::tls_result(int returned) {
  if (returned > 0) return returned;
  const int error = SSL_get_error(ssl_.get(), returned);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

}  // namespace bench
