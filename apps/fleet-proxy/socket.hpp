// A non-blocking socket and what is known of its readiness. Lives until its last armed wait has come back.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "os/fd.hpp"
#include "readiness.hpp"

namespace fleet::proxy {

class Socket : public boost::intrusive_ref_counter<Socket, boost::thread_unsafe_counter> {
 public:
  Socket(asio::io_context& io, os::Fd fd) : descriptor_(io, fd.release()) {}

  // -1 once closed.
  int fd() { return descriptor_.is_open() ? descriptor_.native_handle() : -1; }
  bool is_open() const { return descriptor_.is_open(); }

  // Worth trying. Set by events; cleared by whoever gets EAGAIN, or has read all there was.
  bool readable = false, writable = true;

  // Told at every event until it is replaced or set to null.
  void set_listener(ReadinessListener* listener) { listener_ = listener; }

  // Ask for an event; asked twice is asked once.
  void arm_read();
  void arm_write();

  void close();
  // Closes with a reset: what the peer has not read yet is lost to it.
  void abort();

 private:
  asio::posix::basic_stream_descriptor<net::Executor> descriptor_;
  ReadinessListener* listener_ = nullptr;
  bool read_armed_ = false, write_armed_ = false;
};

using SocketPtr = boost::intrusive_ptr<Socket>;

}  // namespace fleet::proxy
