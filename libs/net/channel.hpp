// A link between two of fleet's processes (net/link.hpp) whose waiting is done by Asio.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "net/link.hpp"
#include "net/task.hpp"

namespace fleet::net {

// Not thread-safe; lives on one io_context. Moving a Channel keeps what is queued. Destroying it closes the socket:
// what was queued and not yet accepted by the kernel is lost.
class Channel {
 public:
  Channel(asio::io_context& io, os::Fd socket);
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  ~Channel();

  // Queues a message, and the descriptors (duplicated: the caller keeps its own). Never waits: what the kernel does
  // not take at once is sent as the peer reads. A peer that lets more than 256 MiB pile up is hung up on.
  template <class M>
  void send(const M& message, const std::vector<int>& fds = {}) { enqueue(wire::frame(message, fds.size()), fds); }

  // The next message. Error `unreachable` when the peer closed or the link broke. One receive at a time.
  Task<Result<Incoming>> receive();

  // Ends a pending receive with an error, and the link. Queued messages that the kernel takes at once still go.
  void close();
  bool is_open() const;

 private:
  struct State;
  void enqueue(std::string bytes, const std::vector<int>& fds);
  std::shared_ptr<State> state_;  // shared with the write that may be under way
};

}  // namespace fleet::net
