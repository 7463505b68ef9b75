// A non-blocking socket, registered with the loop for as long as it is open, and what is known of its readiness.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "io/loop.hpp"
#include "os/fd.hpp"

namespace fleet::proxy {

class Socket {
 public:
  enum class Kind : std::uint8_t {
    stream,    // told once of each change, both directions (edge-triggered)
    // Told of input for as long as there is any. For descriptors that other processes hold open too: the registration
    // goes before the descriptor does, for it would outlive it (epoll(7)).
    listener,
  };
  Socket(Loop& loop, os::Fd fd, Kind kind = Kind::stream);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_.get(); }  // -1 once closed
  bool is_open() const { return static_cast<bool>(fd_); }

  // Worth trying. Set by events; cleared by whoever gets EAGAIN, or has read all there was.
  bool readable = false, writable = true;
  // The peer's end has come, and is read as such after what came before it: an empty socket stays worth reading.
  bool ended = false;
  void drained() { readable = ended; }
  // What is sent waits for shutdown(SHUT_WR), to leave in one segment with the end; tcp(7) has it wait 200 ms at most.
  bool corked = false;
  // As recv and send. They know what is read out, or not to be written for now: `readable` and `writable` are theirs.
  // What send() did not take must come again, first: it may be written together with that of others (io/gathering.hpp).
  ssize_t receive(char* to, std::size_t room);
  ssize_t send(std::string_view bytes);
  // From here on nothing waits for others.
  void send_at_once();
  // It came, and was not received yet.
  bool has_ahead() const { return !ahead_.empty() || ahead_error_ != 0; }
  // It waits for those of others.
  bool has_left() const { return left_ == Left::bytes; }
  // Bytes that were written meanwhile, of which the next send() will tell.
  std::size_t sent_untold() const { return left_ == Left::outcome && outcome_ > 0 ? static_cast<std::size_t>(outcome_) : 0; }
  // What send() left with others' is written, as far as it can be.
  void settle();
  // No more will be sent.
  void end_output();

  // Told of each event until it is replaced or set to null.
  void set_listener(ReadinessListener* listener) { listener_ = listener; }

  // A listener tells nothing while muted.
  void mute(bool muted);

  // Gives up the descriptor without ending what it stands for.
  os::Fd release();
  // What was to be tried again is not sent: those who send know it unsent (R1).
  void close();
  // Closes with a reset: what the peer has not read yet is lost to it.
  void abort();

 private:
  friend class Loop;
  friend class Gathering;
  friend struct CloseSocket;
  // What the last send() left with the others'.
  enum class Left : std::uint8_t { nothing, bytes, outcome };

  void on_events(std::uint32_t events);
  bool may_read_ahead(std::uint32_t events) const;
  void came_ahead(const Transfer& read);
  void keep_ahead();
  ssize_t take_ahead(char* to, std::size_t room);
  void wrote(const Transfer& write);
  void tell_written();
  void retire();

  Loop& loop_;
  ReadinessListener* listener_ = nullptr;
  os::Fd fd_;
  const Kind kind_;
  Left left_ = Left::nothing;
  bool reads_small_ = false;  // the last that came was small, and all there was
  bool more_behind_ = false;  // the kernel may have more than what came ahead
  bool all_written_ = false;
  bool at_once_ = false;
  int outcome_ = 0;           // as of send; -errno
  int ahead_error_ = 0;
  std::string_view ahead_;    // in the round's bytes, or in kept_
  std::unique_ptr<char[]> kept_;
};

// Closes it at once. The object goes at the end of the round.
struct CloseSocket {
  void operator()(Socket* socket) const { socket->retire(); }
};
using SocketPtr = std::unique_ptr<Socket, CloseSocket>;

}  // namespace fleet::proxy
