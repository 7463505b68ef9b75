// Figures, times and tables as people read them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/wall_time.hpp"

namespace fleet::ctl {

using std::chrono::milliseconds;

std::string grouped(std::uint64_t number);    // "12,345"
std::string duration(milliseconds time);      // "412 ms", "1.2 s", "3 min 20 s", "5 h 12 min", "3 d 4 h"
std::string byte_count(std::uint64_t bytes);  // "999 B", "12.4 MB"
std::string count(std::uint64_t number, std::string_view one);  // "1 request", "12,345 requests"
std::string percent_encoded(std::string_view text);             // for one segment of a path, or a value of a query

// Text of others, safe for a terminal: control characters become \xNN, tabs spaces.
std::string printable(std::string_view text);

using fleet::parse_time;

enum class Colour { none, green, yellow, red, dim, bold };
std::string coloured(std::string_view text, Colour colour, bool enabled);

struct Cell {
  std::string text;
  Colour colour = Colour::none;
  bool right = false;  // aligned
  Cell(std::string content, Colour shade = Colour::none) : text(std::move(content)), colour(shade) {}
  Cell(const char* content) : text(content) {}
  Cell(std::uint64_t number) : text(grouped(number)), right(true) {}
};
using Row = std::vector<Cell>;

// Columns as wide as their widest cell, two spaces between; the first row is the heading. Ends with a newline.
std::string table(const std::vector<Row>& rows, bool colour);

std::size_t width(std::string_view utf8);  // in columns: code points, which is right for what we print

// "########........" or, with utf8, blocks.
std::string bar(std::uint64_t done, std::uint64_t total, std::size_t columns, bool utf8);

}  // namespace fleet::ctl
