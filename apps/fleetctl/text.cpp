#include "text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace fleet::ctl {
namespace {

using namespace std::chrono_literals;

// One decimal below ten: 1.2, 12.
std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 9.95 ? "%.1f" : "%.0f", value);
  return text;
}

// "3 min 20 s", "3 min"
std::string two_units(std::int64_t large, const char* large_unit, std::int64_t small, const char* small_unit) {
  std::string text = std::to_string(large) + " " + large_unit;
  if (small != 0) text += " " + std::to_string(small) + " " + small_unit;
  return text;
}

std::string hex_escape(unsigned char c) {
  char text[8];
  std::snprintf(text, sizeof text, "\\x%02x", c);
  return text;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (auto at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string duration(milliseconds time) {
  const std::int64_t ms = std::max<std::int64_t>(time.count(), 0);
  const std::int64_t s = ms / 1000, min = s / 60, h = min / 60;
  if (ms < 1000) return std::to_string(ms) + " ms";
  if (s < 60) return rounded(static_cast<double>(ms) / 1000) + " s";
  if (min < 60) return two_units(min, "min", s % 60, "s");
  if (h < 24) return two_units(h, "h", min % 60, "min");
  return two_units(h / 24, "d", h % 24, "h");
}

std::string byte_count(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) value /= 1000, ++unit;
  return rounded(value) + " " + kUnits[unit];
}

std::string count(std::uint64_t number, std::string_view one) {
  return grouped(number) + " " + std::string(one) + (number == 1 ? "" : "s");
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
    out += plain ? std::string(1, c) : escaped;
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080..U+009F, which terminals may take for escapes too, are c2 80..9f in UTF-8.
    const bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c == '\t') {
      out += "  ";
    } else if (c < 0x20 || c == 0x7f) {
      out += hex_escape(c);
    } else if (c1) {
      out += hex_escape(c) + hex_escape(static_cast<unsigned char>(text[++i]));
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::string coloured(std::string_view text, Colour colour, bool enabled) {
  constexpr std::array<const char*, 6> kCodes{"", "32", "33", "31", "2", "1"};
  if (!enabled || colour == Colour::none) return std::string(text);
  return std::string("\x1b[") + kCodes[static_cast<std::size_t>(colour)] + "m" + std::string(text) + "\x1b[0m";
}

std::size_t width(std::string_view utf8) {
  return utf8.size() - static_cast<std::size_t>(std::ranges::count_if(utf8, is_continuation));
}

std::string table(const std::vector<Row>& rows, bool colour) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i].text));
  }
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const Cell& cell = rows[r][i];
      const std::string gap(widths[i] - width(cell.text), ' ');
      // A heading stands where its column's figures do.
      const bool right = r == 0 ? rows.size() > 1 && i < rows[1].size() && rows[1][i].right : cell.right;
      const std::string text = coloured(cell.text, r == 0 ? Colour::dim : cell.colour, colour);
      line += right ? gap + text : text + gap;
      line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string bar(std::uint64_t done, std::uint64_t total, std::size_t columns, bool utf8) {
  const double part = total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto full = static_cast<std::size_t>(part * static_cast<double>(columns));
  std::string out;
  for (std::size_t i = 0; i < columns; ++i) out += i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : ".");
  return out;
}

}  // namespace fleet::ctl
