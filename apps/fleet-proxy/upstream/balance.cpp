#include "upstream/balance.hpp"

#include <cmath>

namespace fleet::proxy {
namespace {

// Every bit of the input moves every bit of the output (the finaliser of SplitMix64).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// FNV-1a, mixed.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(hash);
}

// With u even in (0, 1), -share / ln u is highest for each target as often as its share says.
double score_of(std::uint64_t key, std::uint64_t target, std::uint32_t share) {
  const auto u = (static_cast<double>(mix(key ^ mix(target)) >> 11) + 0.5) * 0x1p-53;
  return -static_cast<double>(share) / std::log(u);
}

}  // namespace fleet::proxy
