// Appends text to a fixed stretch of memory; too much marks it overflowed and writes nothing more.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fleet::http {

class Writer {
 public:
  Writer(char* begin, char* end) : begin_(begin), at_(begin), end_(end) {}

  void put(std::string_view text) {
    if (text.size() > static_cast<std::size_t>(end_ - at_)) {
      overflowed_ = true;
      end_ = at_;
      return;
    }
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());  // data() may be null, memcpy may not have it
    at_ += text.size();
  }
  template <class... T>
  void put_all(const T&... parts) {
    (put(parts), ...);
  }
  void put_number(std::uint64_t value, int base = 10) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    put({digits, static_cast<std::size_t>(end - digits)});
  }

  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }
  bool overflowed() const { return overflowed_; }

 private:
  char *begin_, *at_, *end_;
  bool overflowed_ = false;
};

}  // namespace fleet::http
