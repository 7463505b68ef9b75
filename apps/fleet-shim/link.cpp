#include "link.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include "os/unix_socket.hpp"

namespace fleet::shim {
namespace {

bool trusted(const os::Fd& socket) {
  const auto peer = os::peer_credentials(socket.get());
  return peer && (peer->uid == 0 || peer->uid == ::geteuid());
}

}  // namespace

bool Link::accept() {
  bool accepted = false;
  for (;;) {
    os::Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return accepted;
    if (!trusted(socket)) continue;
    hang_up();
    socket_ = std::move(socket);
    accepted = true;
  }
}

void Link::read() {
  std::string bytes;
  std::vector<os::Fd> fds;
  const auto got = os::receive_some(socket_.get(), bytes, fds);
  for (auto& fd : fds) fds_.push_back(std::move(fd));
  if (!got || got->closed || fds_.size() > wire::kMaxFds) return hang_up();
  reader_.append(bytes);
}

std::optional<Incoming> Link::receive() {
  auto frame = reader_.next();
  if (!frame || (*frame && (*frame)->fd_count > fds_.size())) {
    hang_up();
    return std::nullopt;
  }
  if (!*frame) return std::nullopt;
  Incoming incoming{std::move(**frame), {}};
  for (std::size_t i = 0; i < incoming.frame.fd_count; ++i) {
    incoming.fds.push_back(std::move(fds_.front()));
    fds_.pop_front();
  }
  return incoming;
}

void Link::send(std::string frame) {
  if (!socket_) return;
  next_ = std::move(frame);
  flush();
}

void Link::flush() {
  while (has_unsent()) {
    if (sending_.empty()) sending_.swap(next_);
    const auto sent = os::send_some(socket_.get(), sending_);
    if (!sent) return hang_up();
    if (sent->would_block) return;
    sending_.erase(0, sent->bytes);
  }
}

void Link::hang_up() {
  socket_.reset();
  reader_ = {};
  fds_.clear();
  sending_.clear();
  next_.clear();
}

}  // namespace fleet::shim
