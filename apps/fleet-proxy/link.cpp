#include "link.hpp"

namespace fleet::proxy {

Link::Link(Loop& loop, os::Fd fd, Owner& owner) : owner_(owner), socket_(new Socket(loop, std::move(fd))) {
  socket_->set_listener(this);
}

void Link::on_ready() {
  if (socket_->writable) flush();
  while (socket_->readable) {
    auto message = in_.next(socket_->fd());
    if (message && !*message) {
      socket_->readable = false;
      return;
    }
    auto handled = message ? owner_.on_message(std::move(**message)) : Result<>(std::unexpected(message.error()));
    if (!handled) end(std::move(handled).error().text);
  }
}

void Link::flush() {
  switch (out_.flush(socket_->fd())) {
    case net::Outbox::State::empty: return;
    case net::Outbox::State::blocked: socket_->writable = false; return;
    case net::Outbox::State::broken: end("link broke"); return;
  }
}

void Link::end(std::string reason) {
  if (!is_open()) return;
  close();
  owner_.on_link_ended(reason);
}

void Link::close() {
  socket_->close();
  socket_->readable = socket_->writable = false;
  out_.clear();
}

}  // namespace fleet::proxy
