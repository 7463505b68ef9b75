#include "encryption/tls_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

namespace fleet::proxy {
namespace {

struct Piece {
  unsigned char* bytes = nullptr;
  std::size_t size = 0;
  unsigned char mark = 0;
  bool intact(std::size_t n) const {
    return std::all_of(bytes, bytes + n, [this](unsigned char byte) { return byte == mark; });
  }
};

TEST(TlsMemory, KeepsPiecesOfAllSizesApartThroughChanges) {
  std::mt19937 random(7);
  const auto any_size = [&] { return 1 + random() % (random() % 8 == 0 ? 100'000 : random() % 2 ? 600 : 10'000); };
  std::vector<Piece> pieces;
  for (int i = 0; i < 4'000; ++i) {
    if (pieces.empty() || random() % 2) {
      Piece piece{nullptr, any_size(), static_cast<unsigned char>(random())};
      piece.bytes = static_cast<unsigned char*>(take_memory(piece.size));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(piece.bytes) % 16, 0u);
      std::memset(piece.bytes, piece.mark, piece.size);
      pieces.push_back(piece);
      continue;
    }
    if (i % 500 == 0) trim_memory();
    auto& piece = pieces[random() % pieces.size()];
    ASSERT_TRUE(piece.intact(piece.size)) << piece.size;
    if (random() % 3 == 0) {
      const auto size = any_size();
      piece.bytes = static_cast<unsigned char*>(change_memory(piece.bytes, size));
      ASSERT_TRUE(piece.intact(std::min(size, piece.size))) << piece.size << " to " << size;
      piece.size = size;
      std::memset(piece.bytes, piece.mark, piece.size);
    } else {
      give_memory(piece.bytes);
      std::swap(piece, pieces.back());
      pieces.pop_back();
    }
  }
  for (const auto& piece : pieces) {
    EXPECT_TRUE(piece.intact(piece.size));
    give_memory(piece.bytes);
  }
}

TEST(TlsMemory, NothingIsNull) {
  EXPECT_EQ(take_memory(0), nullptr);
  give_memory(nullptr);
  EXPECT_EQ(change_memory(take_memory(100), 0), nullptr);
}

}  // namespace
}  // namespace fleet::proxy
