#include "buffer.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace fleet::proxy {
namespace {

constexpr std::size_t kMaxFree = 128;  // blocks kept for reuse, 8 MiB

std::vector<std::unique_ptr<char[]>>& free_blocks() {
  static std::vector<std::unique_ptr<char[]>> blocks;
  return blocks;
}

}  // namespace

void Buffer::take_block() {
  auto& blocks = free_blocks();
  if (blocks.empty()) {
    block_ = new char[kBlock];
  } else {
    block_ = blocks.back().release();
    blocks.pop_back();
  }
}

void Buffer::free_block() {
  if (!block_) return;
  std::unique_ptr<char[]> block(std::exchange(block_, nullptr));
  begin_ = end_ = pinned_ = 0;
  if (auto& blocks = free_blocks(); blocks.size() < kMaxFree) blocks.push_back(std::move(block));
}

}  // namespace fleet::proxy
