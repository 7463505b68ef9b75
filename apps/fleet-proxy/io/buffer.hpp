// Bytes under way. Storage is a 64 KiB block from a free list, taken when the first byte is about to come and given
// back when the last one has left, so that an idle connection holds none.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "http/writer.hpp"

namespace fleet::proxy {

constexpr std::size_t kBlock = 64u << 10;

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { free_block(); }

  std::string_view data() const { return {block_ + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  // Where to put more, and how much fits. Takes a block if there is none.
  char* space() {
    if (!block_) take_block();
    if (end_ == kBlock && begin_ > pinned_) compact();
    return block_ + end_;
  }
  std::size_t room() const { return kBlock - (end_ - begin_) - pinned_; }
  // What fits at space() without a move.
  std::size_t room_at_end() const { return end_ == kBlock && begin_ > pinned_ ? room() : kBlock - end_; }
  void committed(std::size_t n) { end_ += n; }
  void consumed(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = pinned_;
  }

  // Requires bytes.size() <= room().
  void append(std::string_view bytes) {
    if (bytes.empty()) return;  // data() may be null, memcpy may not have it
    make_room(bytes.size());
    std::memcpy(block_ + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  // Runs f(Writer&) on the room there is; keeps what it wrote unless it overflowed.
  template <class F>
  bool write(F&& f) {
    make_room(room());
    http::Writer out(block_ + end_, block_ + kBlock);
    f(out);
    if (out.overflowed()) return false;
    end_ += out.size();
    return true;
  }

  // The first n bytes of data() stay where they are, and out of data(), until unpin(): views into them stay valid.
  // settle() first, lest they leave no room.
  void pin(std::size_t n) { pinned_ = begin_ += n; }
  void unpin() {
    pinned_ = 0;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void settle() {
    if (begin_ > kBlock / 4) compact();
  }
  void clear() { begin_ = end_ = pinned_; }  // all but what is pinned
  void swap(Buffer& other) {
    std::swap(block_, other.block_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(pinned_, other.pinned_);
  }
  void release_if_empty() {
    if (block_ && empty() && pinned_ == 0) free_block();
  }

 private:
  void make_room(std::size_t n) {
    if (!block_) take_block();
    if (kBlock - end_ >= n) return;
    compact();
    if (kBlock - end_ < n) std::abort();  // rather than write over another connection's block
  }
  void compact() {
    std::memmove(block_ + pinned_, block_ + begin_, end_ - begin_);
    end_ = pinned_ + (end_ - begin_);
    begin_ = pinned_;
  }
  void take_block();
  void free_block();

  char* block_ = nullptr;
  std::size_t begin_ = 0, end_ = 0, pinned_ = 0;
};

// Gives the kernel back those free blocks that were not used since the last call.
void trim_blocks();

}  // namespace fleet::proxy
