#include "io/socket.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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
  const bool out = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  if (!in && (!out || writable)) return;  // nothing new
  readable |= in;
  ended |= end;
  writable |= out;
  if (listener_) listener_->on_ready();
}

ssize_t Socket::receive(char* to, std::size_t room) {
  return ::syscall(SYS_recvfrom, fd(), to, room, MSG_DONTWAIT, nullptr, nullptr);
}

ssize_t Socket::send(std::string_view bytes) {
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (corked ? MSG_MORE : 0);
  return ::syscall(SYS_sendto, fd(), bytes.data(), bytes.size(), flags, nullptr, 0);
}

void Socket::mute(bool muted) {
  epoll_event event{};
  event.events = muted ? 0u : std::uint32_t{EPOLLIN};
  event.data.ptr = this;
  ::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_MOD, fd_.get(), &event);
}

os::Fd Socket::release() {
  listener_ = nullptr;
  if (is_open()) ::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_DEL, fd_.get(), nullptr);
  return std::move(fd_);
}

void Socket::close() {
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
