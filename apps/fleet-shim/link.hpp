// The shim's side of its socket: one connection at a time, the newest, and the newest status towards it.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "os/fd.hpp"
#include "wire/frame.hpp"

namespace fleet::shim {

struct Incoming {
  wire::Frame frame;
  std::vector<os::Fd> fds;
};

class Link {
 public:
  explicit Link(os::Fd listener) : listener_(std::move(listener)) {}

  int listener() const { return listener_.get(); }
  int socket() const { return socket_.get(); }  // -1: nobody is connected
  bool has_unsent() const { return socket_ && (!sending_.empty() || !next_.empty()); }

  // Takes the newest waiting connection of our own user or root. True when there was one.
  bool accept();

  // Reads what has come; receive() then gives it frame by frame.
  void read();
  std::optional<Incoming> receive();

  // Sends the frame, unless a newer one is given before it could begin to go.
  void send(std::string frame);
  void flush();
  void hang_up();

 private:
  os::Fd listener_, socket_;
  wire::FrameReader reader_;
  std::deque<os::Fd> fds_;
  std::string sending_, next_;
};

}  // namespace fleet::shim
