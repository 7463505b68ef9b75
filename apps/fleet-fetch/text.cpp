#include "text.hpp"

#include <utf8proc.h>

namespace fleet::fetch {
namespace {

constexpr std::size_t kLongest = 200;

// The length of the character at the front and its code point; length 0 if the bytes are no UTF-8.
struct Character {
  std::size_t length = 0;
  utf8proc_int32_t code = 0;
};

Character first_character(std::string_view bytes) {
  Character out;
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()),
                                       static_cast<utf8proc_ssize_t>(bytes.size()), &out.code);
  if (length > 0) out.length = static_cast<std::size_t>(length);
  return out;
}

bool is_shown_as_it_is(utf8proc_int32_t code) {
  const auto category = utf8proc_category(code);
  // Format characters (Cf) include those that reverse the direction of what follows.
  return category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_CF && category != UTF8PROC_CATEGORY_ZL &&
         category != UTF8PROC_CATEGORY_ZP;
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr const char* kHex = "0123456789abcdef";
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    out += {'\\', 'x', kHex[value >> 4], kHex[value & 15]};
  }
}

}  // namespace

std::string printable(std::string_view foreign) {
  std::string out;
  while (!foreign.empty()) {
    if (out.size() >= kLongest) return out + "…";
    const Character next = first_character(foreign);
    const auto bytes = foreign.substr(0, next.length ? next.length : 1);
    if (next.length && is_shown_as_it_is(next.code)) {
      out += bytes;
    } else {
      append_escaped(out, bytes);
    }
    foreign.remove_prefix(bytes.size());
  }
  return out;
}

std::string spelled(std::chrono::milliseconds time) {
  return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + " s" : std::to_string(time.count()) + " ms";
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Character next = first_character(bytes);
    if (!next.length) return false;
    bytes.remove_prefix(next.length);
  }
  return true;
}

}  // namespace fleet::fetch
