#include "net/channel.hpp"

namespace fleet::net {

struct Channel::State : std::enable_shared_from_this<Channel::State> {
  State(asio::io_context& io, os::Fd fd) : socket(io, fd.release()) {}

  asio::posix::basic_stream_descriptor<Executor> socket;
  Inbox in;
  Outbox out;
  bool writing = false;

  void hang_up() {
    if (!socket.is_open()) return;
    boost::system::error_code ignored;
    socket.close(ignored);
    out.clear();
  }

  void flush() {
    if (!socket.is_open()) return;
    switch (out.flush(socket.native_handle())) {
      case Outbox::State::empty: return;
      case Outbox::State::broken: return hang_up();
      case Outbox::State::blocked:
        writing = true;
        socket.async_wait(asio::posix::descriptor_base::wait_write,
                          [self = shared_from_this()](boost::system::error_code error) {
                            self->writing = false;
                            if (!error) self->flush();
                          });
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
  if (!state_->out.add(std::move(bytes), fds)) return state_->hang_up();
  if (!state_->writing) state_->flush();
}

Task<Result<Incoming>> Channel::receive() {
  const auto state = state_;
  for (;;) {
    auto next = state->in.next(state->socket.is_open() ? state->socket.native_handle() : -1);
    if (!next) co_return std::unexpected(std::move(next).error());
    if (*next) co_return std::move(**next);
    auto [error] = co_await state->socket.async_wait(asio::posix::descriptor_base::wait_read, use_result);
    if (error) co_return fail(ErrorKind::unreachable, "link closed");
  }
}

}  // namespace fleet::net
