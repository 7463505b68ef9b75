// Character classes of RFC 9110 §5.6 and RFC 3986, by table, and ASCII case folding.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace fleet::http {

namespace chars {
enum : std::uint8_t { token = 1, value = 2, target = 4, host = 8, hex = 16 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  const auto mark = [&](std::string_view set, std::uint8_t bit) {
    for (const char c : set) classes[static_cast<unsigned char>(c)] |= bit;
  };
  for (unsigned c = 0; c < 256; ++c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (alnum) classes[c] |= token | host;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) classes[c] |= value;
    if (c > 0x20 && c < 0x7f && c != '#') classes[c] |= target;
  }
  mark("!#$%&'*+-.^_`|~", token);
  mark("-._~", host);  // of RFC 3986's reg-name what names in use have; nothing that needs quoting elsewhere
  mark("0123456789abcdefABCDEF", hex);
  return classes;
}
inline constexpr auto kClasses = make_classes();

constexpr bool is(char c, std::uint8_t bits) { return (kClasses[static_cast<unsigned char>(c)] & bits) != 0; }
}  // namespace chars

constexpr bool all_are(std::string_view text, std::uint8_t bits) {
  for (const char c : text) {
    if (!chars::is(c, bits)) return false;
  }
  return true;
}

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

constexpr bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

constexpr bool istarts_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// 0..15, or -1.
constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Calls f(element) for each element of a comma-separated list, empty ones skipped (RFC 9110 §5.6.1).
template <class F>
void for_each_element(std::string_view list, F&& f) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (const auto element = trim(list.substr(0, comma)); !element.empty()) f(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace fleet::http
