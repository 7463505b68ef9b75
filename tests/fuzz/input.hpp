// What every fuzz target shares: its input in pieces, and an end that libFuzzer reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fleet::fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return first;
  }
  // Up to the next newline, which is taken too.
  std::string_view line() {
    const auto end = left_.find('\n');
    const auto text = left_.substr(0, end);
    left_.remove_prefix(end == std::string_view::npos ? left_.size() : end + 1);
    return text;
  }
  std::string_view rest() const { return left_; }

 private:
  std::string_view left_;
};

// Calls f(piece) for the text cut into pieces whose sizes come from `seed`.
template <class F>
void in_pieces(std::string_view text, std::uint32_t seed, F&& f) {
  while (!text.empty()) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t size = 1 + (seed >> 16) % 37;
    f(text.substr(0, size));
    text.remove_prefix(size < text.size() ? size : text.size());
  }
}

}  // namespace fleet::fuzz

#define FLEET_FUZZ_TARGET(input)                                                            \
  static void fuzz_one(fleet::fuzz::Input input);                                           \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {       \
    fuzz_one({data, size});                                                                 \
    return 0;                                                                               \
  }                                                                                         \
  static void fuzz_one(fleet::fuzz::Input input)
