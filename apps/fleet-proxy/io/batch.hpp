// Small reads and writes of many sockets in one system call: io_submit(2), the kernel's native AIO, which does on a
// non-blocking socket what recv and send would, one after the other, before it returns. Of a request of 128 bytes
// the calls cost more than what they do. Not io_uring: what that is asked to do is not seen by seccomp, while this only
// reads and writes descriptors that are open.
#pragma once

#include <linux/aio_abi.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <span>

namespace fleet::proxy {

struct Transfer {
  enum class Way : bool { in, out };
  int fd;  // a non-blocking stream socket
  Way way;
  char* bytes;
  std::size_t size;
  ssize_t result = 0;  // as of recv and send; -errno where they would set it
};

class Batch {
 public:
  static constexpr std::size_t kMost = 64;  // transfers at once

  // `shares_calls`: false makes a call for each, as where the kernel has nothing else.
  explicit Batch(bool shares_calls = true);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Whether the kernel has it, and lets us (fs.aio-max-nr).
  bool available() const { return ring_ != nullptr; }

  // Does them all, in order; SIGPIPE must be ignored. At most kMost.
  void run(std::span<Transfer> transfers);

 private:
  struct Ring;  // of results, which the kernel shares with us

  std::size_t submit(std::span<Transfer> transfers);
  void collect(std::span<Transfer> transfers, std::size_t count);

  aio_context_t context_ = 0;
  Ring* ring_ = nullptr;
  std::array<iocb, kMost> asked_{};
  std::array<iocb*, kMost> order_{};
};

}  // namespace fleet::proxy
