#include "io/stream.hpp"

#include <cerrno>

namespace fleet::proxy {

IoResult PlainStream::read(char* to, std::size_t room) {
  const ssize_t got = socket_->receive(to, room);
  if (got > 0) return {IoStatus::done, static_cast<std::size_t>(got)};
  if (got == 0) return {IoStatus::closed};
  if (errno == EINTR) return {IoStatus::done};
  socket_->readable = false;
  return {errno == EAGAIN ? IoStatus::again : IoStatus::failed};
}

IoResult PlainStream::write(std::string_view bytes) {
  const ssize_t sent = socket_->send(bytes);
  if (sent >= 0) return {IoStatus::done, static_cast<std::size_t>(sent)};
  if (errno == EINTR) return {IoStatus::done};
  return {errno == EAGAIN ? IoStatus::again : IoStatus::failed};
}

void PlainStream::end_output() { socket_->end_output(); }

}  // namespace fleet::proxy
