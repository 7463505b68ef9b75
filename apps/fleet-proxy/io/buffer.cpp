#include "io/buffer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

namespace fleet::proxy {
namespace {

constexpr std::size_t kMaxFree = 1024;  // blocks kept for reuse, until the next trim finds them unused

// From the kernel and back to it: what a burst needed is not to stay in the heap.
#ifdef __SANITIZE_ADDRESS__
char* make_block() { return new char[kBlock]; }
void drop_block(char* block) { delete[] block; }
#else
char* make_block() {
  void* const block = ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(block);
}
void drop_block(char* block) { ::munmap(block, kBlock); }
#endif

struct FreeBlocks {
  FreeBlocks() { all.reserve(kMaxFree); }
  ~FreeBlocks() { std::for_each(all.begin(), all.end(), drop_block); }
  std::vector<char*> all;  // the one used last at the end
  std::size_t least = 0;   // since the last trim
};
FreeBlocks& free_blocks() {
  static FreeBlocks blocks;
  return blocks;
}

}  // namespace

void Buffer::take_block() {
  auto& free = free_blocks();
  if (free.all.empty()) {
    block_ = make_block();
    return;
  }
  block_ = free.all.back();
  free.all.pop_back();
  free.least = std::min(free.least, free.all.size());
}

void Buffer::free_block() {
  if (!block_) return;
  char* const block = std::exchange(block_, nullptr);
  begin_ = end_ = pinned_ = 0;
  if (auto& free = free_blocks(); free.all.size() < kMaxFree)
    free.all.push_back(block);
  else
    drop_block(block);
}

void trim_blocks() {
  auto& free = free_blocks();
  const auto cold = free.all.begin() + static_cast<std::ptrdiff_t>(free.least);
  std::for_each(free.all.begin(), cold, drop_block);
  free.all.erase(free.all.begin(), cold);
  free.least = free.all.size();
}

}  // namespace fleet::proxy
