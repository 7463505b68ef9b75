// The worker's link to fleetd, on its own loop.
#pragma once

#include "io/socket.hpp"
#include "net/link.hpp"

namespace fleet::proxy {

class Link final : ReadinessListener {
 public:
  class Owner {
   public:
    // An error ends the link; whoever ends it, on_link_ended is called once, except by close().
    virtual Result<> on_message(net::Incoming message) = 0;
    virtual void on_link_ended(const std::string& reason) = 0;

   protected:
    ~Owner() = default;
  };

  // What comes is read from the next turn of the loop on. Must not be destroyed by what it calls.
  Link(Loop& loop, os::Fd fd, Owner& owner);

  // Never waits: what the kernel does not take at once goes as fleetd reads.
  template <class M>
  void send(const M& message, const std::vector<int>& fds = {}) {
    if (!socket_->is_open()) return;
    if (!out_.add(wire::frame(message, fds.size()), fds)) return end("fleetd does not read");
    if (socket_->writable) flush();
  }
  bool is_open() const { return socket_->is_open(); }
  void close();

 private:
  void on_ready() override;
  void flush();
  void end(std::string reason);

  Owner& owner_;
  SocketPtr socket_;
  net::Inbox in_;
  net::Outbox out_;
};

}  // namespace fleet::proxy
