#include "socket.hpp"

#include <sys/socket.h>

namespace fleet::proxy {

void Socket::arm_read() {
  if (read_armed_ || !is_open()) return;
  read_armed_ = true;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                         [self = SocketPtr(this)](boost::system::error_code error) {
                           self->read_armed_ = false;
                           if (error) return;
                           self->readable = true;
                           if (self->listener_) self->listener_->on_ready();
                         });
}

void Socket::arm_write() {
  if (write_armed_ || !is_open()) return;
  write_armed_ = true;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_write,
                         [self = SocketPtr(this)](boost::system::error_code error) {
                           self->write_armed_ = false;
                           if (error) return;
                           self->writable = true;
                           if (self->listener_) self->listener_->on_ready();
                         });
}

void Socket::close() {
  listener_ = nullptr;
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

void Socket::abort() {
  if (!is_open()) return;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close();
}

}  // namespace fleet::proxy
