#include "net/channel.hpp"

#include <fcntl.h>

#include <boost/asio/error.hpp>

#include "os/unix_socket.hpp"

namespace fleet::net {
namespace {

constexpr std::size_t kMaxQueued = 256u << 20;

struct Outgoing {
  std::string bytes;
  std::vector<os::Fd> fds;
  std::size_t sent = 0;
};

}  // namespace

struct Channel::State : std::enable_shared_from_this<Channel::State> {
  State(asio::io_context& io, os::Fd fd) : socket(io, fd.release()) {}

  asio::posix::basic_stream_descriptor<Executor> socket;
  wire::FrameReader reader;
  std::deque<os::Fd> fds;
  std::deque<Outgoing> queue;
  std::size_t queued = 0;
  bool writing = false;

  void hang_up() {
    if (!socket.is_open()) return;
    boost::system::error_code ignored;
    socket.close(ignored);
    queue.clear();
  }

  void flush() {
    while (socket.is_open() && !queue.empty()) {
      auto& head = queue.front();
      std::vector<int> raw;
      if (head.sent == 0) {
        for (const auto& fd : head.fds) raw.push_back(fd.get());
      }
      const auto result =
          os::send_some(socket.native_handle(), std::string_view(head.bytes).substr(head.sent), raw);
      if (!result) return hang_up();
      if (result->would_block) {
        writing = true;
        socket.async_wait(asio::posix::descriptor_base::wait_write,
                          [self = shared_from_this()](boost::system::error_code error) {
                            self->writing = false;
                            if (!error) self->flush();
                          });
        return;
      }
      head.sent += result->bytes;
      if (head.sent == head.bytes.size()) {
        queued -= head.bytes.size();
        queue.pop_front();
      }
    }
  }
};

Channel::Channel(asio::io_context& io, os::Fd socket) : state_(std::make_shared<State>(io, std::move(socket))) {}
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
Channel::~Channel() { close(); }

void Channel::close() {
  if (state_) state_->hang_up();
}

bool Channel::is_open() const { return state_ && state_->socket.is_open(); }

void Channel::enqueue(std::string bytes, const std::vector<int>& fds) {
  if (!is_open()) return;
  Outgoing out;
  for (const int fd : fds) {
    out.fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!out.fds.back()) return state_->hang_up();
  }
  state_->queued += bytes.size();
  if (state_->queued > kMaxQueued) return state_->hang_up();
  out.bytes = std::move(bytes);
  state_->queue.push_back(std::move(out));
  if (!state_->writing) state_->flush();
}

Task<Result<Incoming>> Channel::receive() {
  const auto state = state_;
  for (;;) {
    auto frame = state->reader.next();
    if (!frame) co_return std::unexpected(frame.error());
    if (*frame) {
      if (state->fds.size() < (*frame)->fd_count) co_return fail("malformed frame: descriptors are missing");
      Incoming incoming;
      incoming.type = (*frame)->type;
      incoming.payload = std::move((*frame)->payload);
      for (std::size_t i = 0; i < (*frame)->fd_count; ++i) {
        incoming.fds.push_back(std::move(state->fds.front()));
        state->fds.pop_front();
      }
      co_return incoming;
    }
    if (!state->socket.is_open()) co_return fail(ErrorKind::unreachable, "link closed");
    std::string bytes;
    std::vector<os::Fd> fds;
    const auto got = os::receive_some(state->socket.native_handle(), bytes, fds);
    if (!got) co_return std::unexpected(got.error());
    if (got->closed) co_return fail(ErrorKind::unreachable, "link closed by peer");
    for (auto& fd : fds) state->fds.push_back(std::move(fd));
    state->reader.append(bytes);
    if (got->would_block) {
      auto [error] = co_await state->socket.async_wait(asio::posix::descriptor_base::wait_read, use_result);
      if (error) co_return fail(ErrorKind::unreachable, "link closed");
    }
  }
}

}  // namespace fleet::net
