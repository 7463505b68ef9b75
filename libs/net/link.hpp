// One end of a link between two of fleet's processes, but for the waiting: typed messages and descriptors over a
// non-blocking unix stream socket. Whoever owns it knows when the socket is ready.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "os/fd.hpp"
#include "wire/frame.hpp"

namespace fleet::net {

struct Incoming {
  std::uint16_t type = 0;
  std::string payload;
  std::vector<os::Fd> fds;

  template <class M>
  bool is() const { return type == M::kType; }
  template <class M>
  Result<M> as() const { return wire::decode<M>(payload); }
};

// What goes out. A peer that lets more than 256 MiB pile up is to be hung up on.
class Outbox {
 public:
  // The descriptors are duplicated: the caller keeps its own. False: hang up.
  bool add(std::string bytes, const std::vector<int>& fds);

  enum class State : std::uint8_t { empty, blocked, broken };
  // Sends what the kernel takes at once.
  State flush(int socket);
  void clear() { queue_.clear(), queued_ = 0; }

 private:
  struct Message {
    std::string bytes;
    std::vector<os::Fd> fds;
    std::size_t sent = 0;
  };
  std::deque<Message> queue_;
  std::size_t queued_ = 0;  // bytes
};

// What comes in.
class Inbox {
 public:
  // The next message; nothing: the socket is empty now. Error `unreachable` when the peer closed or the link broke, or
  // when `socket` is -1 and no more is at hand.
  Result<std::optional<Incoming>> next(int socket);

 private:
  wire::FrameReader reader_;
  std::deque<os::Fd> fds_;
};

}  // namespace fleet::net
