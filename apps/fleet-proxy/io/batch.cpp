#include "io/batch.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace fleet::proxy {

// As in fs/aio.c, which libaio and others rely on, and which says by these three whether it may be read directly.
struct Batch::Ring {
  std::uint32_t id, size, head, tail;
  std::uint32_t magic, compatible, incompatible, header_size;
  io_event events[];

  bool readable() const { return magic == 0xa10a10a1 && incompatible == 0 && header_size == sizeof(Ring); }
};

Batch::Batch(bool shares_calls) {
  if (!shares_calls || ::syscall(SYS_io_setup, kMost, &context_) != 0) return;
  auto* const ring = reinterpret_cast<Ring*>(context_);
  if (ring->readable()) {
    ring_ = ring;
  } else {
    ::syscall(SYS_io_destroy, context_);
  }
  for (std::size_t i = 0; i < kMost; ++i) order_[i] = &asked_[i];
}

Batch::~Batch() {
  if (ring_) ::syscall(SYS_io_destroy, context_);
}

void Batch::run(std::span<Transfer> transfers) {
  const auto done = ring_ && transfers.size() > 1 ? submit(transfers) : 0;
  for (auto& transfer : transfers.subspan(done)) {
    const auto result =
        transfer.way == Transfer::Way::in
            ? ::syscall(SYS_recvfrom, transfer.fd, transfer.bytes, transfer.size, MSG_DONTWAIT, nullptr, nullptr)
            : ::syscall(SYS_sendto, transfer.fd, transfer.bytes, transfer.size, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
    transfer.result = result < 0 ? -errno : result;
  }
}

// How many of them, from the first on, were done.
std::size_t Batch::submit(std::span<Transfer> transfers) {
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    auto& asked = asked_[i];
    const auto& transfer = transfers[i];
    asked.aio_data = i;
    asked.aio_lio_opcode = transfer.way == Transfer::Way::in ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
    asked.aio_fildes = static_cast<std::uint32_t>(transfer.fd);
    asked.aio_buf = reinterpret_cast<std::uintptr_t>(transfer.bytes);
    asked.aio_nbytes = transfer.size;
  }
  const auto taken = ::syscall(SYS_io_submit, context_, static_cast<long>(transfers.size()), order_.data());
  if (taken <= 0) return 0;
  collect(transfers, static_cast<std::size_t>(taken));
  return static_cast<std::size_t>(taken);
}

void Batch::collect(std::span<Transfer> transfers, std::size_t count) {
  const auto tail = std::atomic_ref(ring_->tail).load(std::memory_order_acquire);
  auto head = ring_->head;
  for (; count > 0 && head != tail; --count) {
    const auto& event = ring_->events[head];
    transfers[event.data].result = static_cast<ssize_t>(event.res);
    head = head + 1 == ring_->size ? 0 : head + 1;
  }
  std::atomic_ref(ring_->head).store(head, std::memory_order_release);
  // Sockets that do not block are done by now. Whoever gave another waits for it: its bytes are the kernel's until then.
  while (count > 0) {
    io_event event{};
    const auto got = ::syscall(SYS_io_getevents, context_, 1L, 1L, &event, nullptr);
    if (got < 0 && errno != EINTR) std::abort();
    if (got != 1) continue;
    transfers[event.data].result = static_cast<ssize_t>(event.res);
    --count;
  }
}

}  // namespace fleet::proxy
