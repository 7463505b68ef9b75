#include "config/document.hpp"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
// toml++ 3.3 asserts (or, with NDEBUG, assumes) that a header begins with a key, which a text like "[=]" breaks, and
// then complains about it properly anyway. A wrong file must not end the program.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <optional>

namespace fleet::config {
namespace {

constexpr std::size_t kMaxLine = 8u << 10;  // bytes
constexpr int kMaxDepth = 16;

Position position_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

std::unexpected<Diagnostic> complain(Position at, std::string text) {
  return std::unexpected(Diagnostic{at.line, at.column, std::move(text)});
}

// The TOML parser recurses over dotted keys without a limit of its own; the length of a line limits them.
std::optional<Diagnostic> too_large(std::string_view text) {
  if (text.size() > kMaxText) return Diagnostic{0, 0, "larger than 256 KiB"};
  std::size_t line = 1;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (end > kMaxLine) return Diagnostic{line, kMaxLine + 1, "line longer than 8 KiB"};
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line;
  }
  return std::nullopt;
}

std::expected<Node, Diagnostic> convert(const toml::node& from, Position at, int depth);

std::expected<Table, Diagnostic> convert_table(const toml::table& from, int depth) {
  Table table;
  for (const auto& [key, value] : from) {
    const auto at = position_of(key.source());
    auto converted = convert(value, at, depth + 1);
    if (!converted) return std::unexpected(std::move(converted.error()));
    table.push_back({std::string(key.str()), at, std::move(*converted)});
  }
  const auto place = [](const Member& m) { return std::pair(m.at.line, m.at.column); };
  std::ranges::stable_sort(table, {}, place);
  return table;
}

std::expected<Array, Diagnostic> convert_array(const toml::array& from, Position at, int depth) {
  Array array;
  for (const auto& element : from) {
    auto converted = convert(element, at, depth + 1);
    if (!converted) return std::unexpected(std::move(converted.error()));
    array.push_back(std::move(*converted));
  }
  return array;
}

// `at`: of the key, for values whose own place the parser does not know.
std::expected<Node, Diagnostic> convert(const toml::node& from, Position at, int depth) {
  Node node{position_of(from.source()), Other{"a date or time"}};
  if (node.at.line == 0) node.at = at;
  if (depth > kMaxDepth) return complain(node.at, "nested too deeply");
  if (const auto* table = from.as_table()) {
    auto converted = convert_table(*table, depth);
    if (!converted) return std::unexpected(std::move(converted.error()));
    node.value = std::move(*converted);
  } else if (const auto* array = from.as_array()) {
    auto converted = convert_array(*array, node.at, depth);
    if (!converted) return std::unexpected(std::move(converted.error()));
    node.value = std::move(*converted);
  } else if (const auto* text = from.as_string()) {
    node.value = text->get();
  } else if (const auto* integer = from.as_integer()) {
    node.value = integer->get();
  } else if (const auto* boolean = from.as_boolean()) {
    node.value = boolean->get();
  } else if (from.is_floating_point()) {
    node.value = Other{"a fraction"};
  }
  return node;
}

}  // namespace

const Member* Node::find_member(std::string_view name) const {
  const auto* table = std::get_if<Table>(&value);
  if (table == nullptr) return nullptr;
  const auto found = std::ranges::find(*table, name, &Member::name);
  return found == table->end() ? nullptr : &*found;
}

const Node* Node::find(std::string_view name) const {
  const auto* member = find_member(name);
  return member == nullptr ? nullptr : &member->value;
}

Position Node::where(std::string_view name) const {
  const auto* member = find_member(name);
  return member == nullptr ? at : member->value.at;
}

std::string type_of(const Node& node) {
  struct Name {
    std::string operator()(const Other& other) const { return other.type; }
    std::string operator()(bool) const { return "a boolean"; }
    std::string operator()(std::int64_t) const { return "an integer"; }
    std::string operator()(const std::string&) const { return "a string"; }
    std::string operator()(const Array&) const { return "a list"; }
    std::string operator()(const Table&) const { return "a table"; }
  };
  return std::visit(Name{}, node.value);
}

std::expected<Node, Diagnostic> parse_document(std::string_view text) {
  if (auto complaint = too_large(text)) return std::unexpected(std::move(*complaint));
  const auto parsed = toml::parse(text);
  if (!parsed) {
    std::string why(parsed.error().description());
    if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    return complain(position_of(parsed.error().source()), "not TOML: " + why);
  }
  return convert(parsed.table(), Position{1, 1}, 0);
}

}  // namespace fleet::config
