#include "io/gathering.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/socket.hpp"

namespace fleet::proxy {

// Not zeroed: pages that are never used are never there.
Gathering::Gathering(bool shares_calls) : batch_(shares_calls), stretches_(std::make_unique_for_overwrite<Stretches>()) {}

void Gathering::read_ahead(std::span<Socket* const> sockets) {
  reading_ = 0;
  if (!open_ || sockets.size() < 2) return;
  touched_ = used_lately_ = true;
  for (auto* const socket : sockets) {
    readers_[reading_] = socket;
    reads_[reading_] = {socket->fd(), Transfer::Way::in, stretches_->in[reading_].data(), kSmall};
    ++reading_;
  }
  batch_.run(std::span(reads_).first(reading_));
  for (std::size_t i = 0; i < reading_; ++i) readers_[i]->came_ahead(reads_[i]);
}

void Gathering::end_turns() {
  for (std::size_t i = 0; i < reading_; ++i) readers_[i]->keep_ahead();
  reading_ = 0;
}

bool Gathering::take(Socket& socket, std::string_view bytes) {
  if (!open_ || writing_ == writers_.size() || bytes.size() > std::min(kSmall, kBytes - used_)) return false;
  touched_ = used_lately_ = true;
  char* const at = stretches_->out.data() + used_;
  std::memcpy(at, bytes.data(), bytes.size());
  used_ += bytes.size();
  writers_[writing_] = &socket;
  writes_[writing_] = {socket.fd(), Transfer::Way::out, at, bytes.size()};
  ++writing_;
  return true;
}

void Gathering::write() {
  if (writing_ == 0) return;
  batch_.run(std::span(writes_).first(writing_));
  // Those who are told may write more: that goes at once.
  const auto was_open = std::exchange(open_, false);
  for (std::size_t i = 0; i < writing_; ++i) writers_[i]->wrote(writes_[i]);
  for (std::size_t i = 0; i < writing_; ++i) writers_[i]->tell_written();
  writing_ = used_ = 0;
  open_ = was_open;
}

void Gathering::close() {
  write();
  open_ = false;
}

void Gathering::hurry(Socket& socket) {
  auto& write = writes_[place_of(socket)];
  batch_.run({&write, 1});
  socket.wrote(write);
  forget(socket);
}

void Gathering::forget(Socket& socket) {
  const auto place = place_of(socket);
  --writing_;
  writers_[place] = writers_[writing_];
  writes_[place] = writes_[writing_];
}

void Gathering::trim() {
  if (reading_ > 0 || writing_ > 0 || std::exchange(used_lately_, false) || !std::exchange(touched_, false)) return;
  ::madvise(stretches_.get(), sizeof(Stretches), MADV_DONTNEED);
}

std::size_t Gathering::place_of(const Socket& socket) const {
  return static_cast<std::size_t>(std::ranges::find(writers_, &socket) - writers_.begin());
}

}  // namespace fleet::proxy
