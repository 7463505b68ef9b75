// Small reads and writes that the sessions of one round have in common, made together (io/batch.hpp). Sockets are read
// before their sessions' turns, and give out what came as if they had read it then. What is to be written waits until
// the turns are over: it "would block" until then, and the next try is told how it went, so that nobody above a socket
// knows of any of this.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>

#include "io/batch.hpp"

namespace fleet::proxy {

class Socket;

class Gathering {
 public:
  static constexpr std::size_t kTurns = 32;    // sessions that have their turns between two writes
  static constexpr std::size_t kSmall = 4096;  // bytes of one socket

  explicit Gathering(bool shares_calls);

  // From here to the last write() sockets may leave their bytes.
  void open() { open_ = batch_.available(); }
  // At most kTurns.
  void read_ahead(std::span<Socket* const> sockets);
  void end_turns();
  // Writes what was left here and tells those who wait for it.
  void write();
  void close();

  // Copies them. False: they are to be written at once.
  bool take(Socket& socket, std::string_view bytes);
  // Writes what this socket left, now; or does not write it at all.
  void hurry(Socket& socket);
  void forget(Socket& socket);

  // Gives the kernel back the memory for all this, if it was not used since the last call.
  void trim();

 private:
  static constexpr std::size_t kBytes = 16 * kSmall;  // of all that wait to be written
  struct alignas(4096) Stretches {
    std::array<std::array<char, kSmall>, kTurns> in;
    std::array<char, kBytes> out;
  };

  std::size_t place_of(const Socket& socket) const;

  Batch batch_;
  bool open_ = false;
  bool touched_ = false, used_lately_ = false;  // pages of `stretches_`
  std::array<Socket*, kTurns> readers_{};
  std::array<Socket*, Batch::kMost> writers_{};
  std::array<Transfer, Batch::kMost> reads_{}, writes_{};
  std::size_t reading_ = 0, writing_ = 0, used_ = 0;
  std::unique_ptr<Stretches> stretches_;
};

}  // namespace fleet::proxy
