// A TOML text as a plain tree in which every key and value knows its place, so that any complaint can name it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/parse.hpp"

namespace fleet::config {

struct Position {
  std::size_t line = 0, column = 0;  // from 1; 0: of the file as a whole
};

struct Member;
struct Node;
using Array = std::vector<Node>;
using Table = std::vector<Member>;  // in the order of the file
struct Other {                      // dates, which no key takes
  std::string type;                 // as a message says it: "a date"
};

struct Node {
  Position at;
  std::variant<Other, bool, std::int64_t, double, std::string, Array, Table> value;

  // The member of that name, or null when there is none or this is not a table.
  const Node* find(std::string_view name) const;
  const Member* find_member(std::string_view name) const;
  // Where `name` is in this table, this table's own place without it.
  Position where(std::string_view name) const;
};

struct Member {
  std::string name;
  Position at;  // of the key
  Node value;
};

std::string type_of(const Node&);  // "a string", "a table", ...

// Errors: the first thing that is not TOML; a text over 256 KiB, a line over 8 KiB or nesting deeper than 16.
std::expected<Node, Diagnostic> parse_document(std::string_view text);

}  // namespace fleet::config
