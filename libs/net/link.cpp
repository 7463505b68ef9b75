#include "net/link.hpp"

#include <fcntl.h>

#include "os/unix_socket.hpp"

namespace fleet::net {
namespace {

constexpr std::size_t kMaxQueued = 256u << 20;

}  // namespace

bool Outbox::add(std::string bytes, const std::vector<int>& fds) {
  Message message;
  for (const int fd : fds) {
    message.fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!message.fds.back()) return false;
  }
  queued_ += bytes.size();
  if (queued_ > kMaxQueued) return false;
  message.bytes = std::move(bytes);
  queue_.push_back(std::move(message));
  return true;
}

Outbox::State Outbox::flush(int socket) {
  while (!queue_.empty()) {
    auto& head = queue_.front();
    std::vector<int> raw;
    if (head.sent == 0) {
      for (const auto& fd : head.fds) raw.push_back(fd.get());
    }
    const auto result = os::send_some(socket, std::string_view(head.bytes).substr(head.sent), raw);
    if (!result) return State::broken;
    if (result->would_block) return State::blocked;
    head.sent += result->bytes;
    if (head.sent < head.bytes.size()) continue;
    queued_ -= head.bytes.size();
    queue_.pop_front();
  }
  return State::empty;
}

Result<std::optional<Incoming>> Inbox::next(int socket) {
  for (;;) {
    TRY(auto frame, reader_.next());
    if (frame) {
      if (fds_.size() < frame->fd_count) return fail("malformed frame: descriptors are missing");
      Incoming incoming;
      incoming.type = frame->type;
      incoming.payload = std::move(frame->payload);
      for (std::size_t i = 0; i < frame->fd_count; ++i) {
        incoming.fds.push_back(std::move(fds_.front()));
        fds_.pop_front();
      }
      return std::optional(std::move(incoming));
    }
    if (socket < 0) return fail(ErrorKind::unreachable, "link closed");
    std::string bytes;
    std::vector<os::Fd> fds;
    TRY(const auto got, os::receive_some(socket, bytes, fds));
    if (got.closed) return fail(ErrorKind::unreachable, "link closed by peer");
    if (got.would_block) return std::optional<Incoming>();
    for (auto& fd : fds) fds_.push_back(std::move(fd));
    reader_.append(bytes);
  }
}

}  // namespace fleet::net
