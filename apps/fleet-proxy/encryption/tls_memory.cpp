#include "encryption/tls_memory.hpp"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <cstring>

namespace fleet::proxy {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;  // let it see what is used after its end
#else
constexpr bool kSanitized = false;
#endif

// A slab is this large and begins at a multiple of it, so that a pointer tells its slab. What does not fit into one has
// a slab of its own, as large as it takes.
constexpr std::size_t kSlab = 64u << 10;
constexpr std::size_t kSlabsAtOnce = 16;

struct Free {
  Free* next;
};

struct alignas(16) Slab : boost::intrusive::list_base_hook<> {
  std::size_t size = 0;  // of a piece
  unsigned shelf = 0;
  unsigned used = 0, capacity = 0, fresh = 0;  // pieces; `fresh`: never used so far
  Free* freed = nullptr;

  char* piece(unsigned n) { return reinterpret_cast<char*>(this + 1) + n * size; }
  bool full() const { return used == capacity; }
};
using Slabs = boost::intrusive::list<Slab, boost::intrusive::constant_time_size<false>>;

// Sizes go up by an eighth at most, from 16 bytes.
constexpr unsigned kLargeShelf = 88;
constexpr unsigned shelf_of(std::size_t size) {
  if (size <= 128) return static_cast<unsigned>((size + 15) / 16);  // 1 to 8
  const auto power = static_cast<unsigned>(std::bit_width(size - 1)) - 1;  // 2^power < size <= 2^(power + 1)
  const auto step = ((size - 1) >> (power - 3)) & 7;
  return 9 + (power - 7) * 8 + static_cast<unsigned>(step);
}
constexpr std::size_t size_of_shelf(unsigned shelf) {
  if (shelf <= 8) return shelf * 16u;
  const unsigned power = 7 + (shelf - 9) / 8, step = (shelf - 9) % 8;
  return (std::size_t{9 + step}) << (power - 3);
}
static_assert(size_of_shelf(shelf_of(129)) == 144 && size_of_shelf(shelf_of(16913)) == 18432);

// Never destroyed: OpenSSL frees to the very end.
auto& shelves = *new std::array<Slabs, kLargeShelf>;  // those with room
auto& empty_slabs = *new Slabs;  // the one used last first
unsigned empty_count = 0, empty_least = 0;  // now; since the last trim

void* map_aligned(std::size_t size) {
  const std::size_t more = size + kSlab;
  void* const got = ::mmap(nullptr, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(got);
  const auto aligned = (begin + kSlab - 1) / kSlab * kSlab;
  if (aligned > begin) ::munmap(got, aligned - begin);
  if (const auto rest = begin + more - (aligned + size); rest > 0) {
    ::munmap(reinterpret_cast<void*>(aligned + size), rest);
  }
  return reinterpret_cast<void*>(aligned);
}

bool fetch_empty_slabs() {
  auto* const bytes = static_cast<char*>(map_aligned(kSlabsAtOnce * kSlab));
  if (!bytes) return false;
  for (std::size_t i = 0; i < kSlabsAtOnce; ++i) empty_slabs.push_back(*new (bytes + i * kSlab) Slab);
  empty_count += kSlabsAtOnce;
  return true;
}

Slab* new_slab(unsigned shelf) {
  if (empty_slabs.empty() && !fetch_empty_slabs()) return nullptr;
  auto& slab = empty_slabs.front();
  empty_slabs.pop_front();
  empty_least = std::min(empty_least, --empty_count);
  slab.shelf = shelf;
  slab.size = size_of_shelf(shelf);
  slab.capacity = static_cast<unsigned>((kSlab - sizeof(Slab)) / slab.size);
  slab.used = slab.fresh = 0;
  slab.freed = nullptr;
  shelves[shelf].push_front(slab);
  return &slab;
}

void drop_slab(Slab& slab) {
  shelves[slab.shelf].erase(Slabs::s_iterator_to(slab));
  empty_slabs.push_front(slab);
  ++empty_count;
}

void* take_large(std::size_t size) {
  const auto whole = (sizeof(Slab) + size + 4095) / 4096 * 4096;
  void* const bytes = map_aligned(whole);
  if (!bytes) return nullptr;
  auto* slab = new (bytes) Slab;
  slab->shelf = kLargeShelf;
  slab->size = whole - sizeof(Slab);
  return slab->piece(0);
}

Slab& slab_of(void* piece) {
  return *reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(piece) / kSlab * kSlab);
}

}  // namespace

void* take_memory(std::size_t size) {
  if (size == 0) return nullptr;
  const auto shelf = size > kSlab / 2 ? kLargeShelf : shelf_of(size);
  if (shelf >= kLargeShelf) return take_large(size);
  auto& slabs = shelves[shelf];
  Slab* slab = slabs.empty() ? new_slab(shelf) : &slabs.front();
  if (!slab) return nullptr;
  void* piece = nullptr;
  if (slab->freed) {
    piece = slab->freed;
    slab->freed = slab->freed->next;
  } else {
    piece = slab->piece(slab->fresh++);
  }
  if (++slab->used == slab->capacity) slabs.pop_front();
  return piece;
}

void give_memory(void* piece) {
  if (!piece) return;
  auto& slab = slab_of(piece);
  if (slab.shelf == kLargeShelf) {
    ::munmap(&slab, sizeof(Slab) + slab.size);
    return;
  }
  slab.freed = new (piece) Free{slab.freed};
  if (slab.full()) shelves[slab.shelf].push_front(slab);
  // The last one with room stays: what comes and goes with every record must not come and go as a slab.
  if (--slab.used == 0 && &shelves[slab.shelf].front() != &shelves[slab.shelf].back()) drop_slab(slab);
}

void* change_memory(void* piece, std::size_t size) {
  if (!piece) return take_memory(size);
  if (size == 0) {
    give_memory(piece);
    return nullptr;
  }
  const auto had = slab_of(piece).size;
  if (size <= had && size > had / 2) return piece;
  void* const other = take_memory(size);
  if (!other) return nullptr;
  std::memcpy(other, piece, std::min(size, had));
  give_memory(piece);
  return other;
}

void trim_memory() {
  for (; empty_least > 0; --empty_least, --empty_count) {
    auto& slab = empty_slabs.back();
    empty_slabs.pop_back();
    ::munmap(&slab, kSlab);
  }
  empty_least = empty_count;
}

void give_openssl_memory() {
  if (kSanitized) return;
  CRYPTO_set_mem_functions([](std::size_t size, const char*, int) { return take_memory(size); },
                           [](void* piece, std::size_t size, const char*, int) { return change_memory(piece, size); },
                           [](void* piece, const char*, int) { give_memory(piece); });
}

}  // namespace fleet::proxy
