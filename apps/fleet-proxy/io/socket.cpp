#include "io/socket.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace fleet::proxy {
namespace {

constexpr std::uint32_t kBothWays = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

}  // namespace

Socket::Socket(Loop& loop, os::Fd fd, Kind kind) : loop_(loop), fd_(std::move(fd)), kind_(kind) {
  epoll_event event{};
  event.events = kind == Kind::listener ? std::uint32_t{EPOLLIN} : kBothWays;
  event.data.ptr = this;
  const bool registered = ::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_ADD, fd_.get(), &event) == 0;
  // Nothing would ever be heard of it: better that it ends at once.
  if (!registered && kind == Kind::stream) {
    ::shutdown(fd_.get(), SHUT_RDWR);
    readable = ended = true;
  }
}

void Socket::on_events(std::uint32_t events) {
  const bool end = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool in = end || (events & EPOLLIN) != 0;
  bool out = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  if (left_ == Left::bytes) out = false;  // they are tried soon
  all_written_ |= out;
  if (!in && (!out || writable)) return;  // nothing new
  more_behind_ |= in && kept_;
  readable |= in;
  ended |= end;
  writable |= out;
  if (listener_) listener_->on_ready();
}

// ---- reading

// Where an end has come too, what is there is its session's to find out.
bool Socket::may_read_ahead(std::uint32_t events) const {
  constexpr std::uint32_t kAny = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  return reads_small_ && listener_ && !has_ahead() && (events & kAny) == EPOLLIN;
}

void Socket::came_ahead(const Transfer& read) {
  if (read.result > 0) {
    ahead_ = {read.bytes, static_cast<std::size_t>(read.result)};
    more_behind_ = ahead_.size() == read.size;
  } else if (read.result < 0 && read.result != -EAGAIN) {
    ahead_error_ = static_cast<int>(-read.result);  // the kernel says it once
  }
}

void Socket::keep_ahead() {
  if (ahead_.empty() || !is_open()) return;
  kept_.reset(new (std::nothrow) char[ahead_.size()]);
  if (!kept_) {
    ahead_ = {};
    ahead_error_ = ENOMEM;
    return;
  }
  std::memcpy(kept_.get(), ahead_.data(), ahead_.size());
  ahead_ = {kept_.get(), ahead_.size()};
}

ssize_t Socket::take_ahead(char* to, std::size_t room) {
  const auto size = std::min(room, ahead_.size());
  std::memcpy(to, ahead_.data(), size);
  ahead_.remove_prefix(size);
  if (!ahead_.empty()) return static_cast<ssize_t>(size);
  kept_.reset();
  if (more_behind_) reads_small_ = false;
  else drained();
  return static_cast<ssize_t>(size);
}

ssize_t Socket::receive(char* to, std::size_t room) {
  if (!ahead_.empty()) return take_ahead(to, room);
  if (ahead_error_ != 0) {
    errno = std::exchange(ahead_error_, 0);
    return -1;
  }
  // Not recv, which glibc makes a point of cancellation in a program that has a second thread; nor send, below.
  const auto got = ::syscall(SYS_recvfrom, fd(), to, room, MSG_DONTWAIT, nullptr, nullptr);
  const bool all = got > 0 && static_cast<std::size_t>(got) < room;
  reads_small_ = all && static_cast<std::size_t>(got) < Gathering::kSmall;
  if (all) drained();
  return got;
}

// ---- writing

ssize_t Socket::send(std::string_view bytes) {
  switch (left_) {
    case Left::nothing: break;
    case Left::bytes: errno = EAGAIN; return -1;
    case Left::outcome:
      left_ = Left::nothing;
      writable = all_written_ || outcome_ == -EINTR;
      if (outcome_ >= 0 && static_cast<std::size_t>(outcome_) > bytes.size()) outcome_ = -EPROTO;
      if (outcome_ >= 0) return outcome_;
      errno = -outcome_;
      return -1;
  }
  if (!at_once_ && !corked && loop_.gathering_.take(*this, bytes)) {
    left_ = Left::bytes;
    writable = false;
    errno = EAGAIN;
    return -1;
  }
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (corked ? MSG_MORE : 0);
  const auto sent = ::syscall(SYS_sendto, fd(), bytes.data(), bytes.size(), flags, nullptr, 0);
  writable = sent >= 0 ? static_cast<std::size_t>(sent) == bytes.size() : errno == EINTR;
  return sent;
}

void Socket::wrote(const Transfer& write) {
  left_ = write.result == -EAGAIN ? Left::nothing : Left::outcome;  // of which the loop will tell when it is worth a try
  outcome_ = static_cast<int>(write.result);
  all_written_ = write.result == static_cast<ssize_t>(write.size);
  writable = left_ == Left::outcome;
}

void Socket::tell_written() {
  if (left_ == Left::outcome && listener_) listener_->on_ready();
}

void Socket::settle() {
  if (left_ == Left::bytes) loop_.gathering_.hurry(*this);
}

void Socket::send_at_once() {
  settle();
  at_once_ = true;
}

void Socket::end_output() {
  settle();
  ::shutdown(fd(), SHUT_WR);
}

// ---- the descriptor

void Socket::mute(bool muted) {
  epoll_event event{};
  event.events = muted ? 0u : std::uint32_t{EPOLLIN};
  event.data.ptr = this;
  ::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_MOD, fd_.get(), &event);
}

os::Fd Socket::release() {
  settle();
  listener_ = nullptr;
  if (is_open()) ::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_DEL, fd_.get(), nullptr);
  return std::move(fd_);
}

void Socket::close() {
  if (std::exchange(left_, Left::nothing) == Left::bytes) loop_.gathering_.forget(*this);
  if (kind_ == Kind::listener) release();
  listener_ = nullptr;
  fd_.reset();
}

void Socket::abort() {
  if (!is_open()) return;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close();
}

void Socket::retire() {
  close();
  loop_.closed_.emplace_back(this);
}

}  // namespace fleet::proxy
