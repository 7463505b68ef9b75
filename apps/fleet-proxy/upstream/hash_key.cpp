#include "upstream/hash_key.hpp"

#include "http/chars.hpp"
#include "upstream/balance.hpp"

namespace fleet::proxy {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// RFC 6265 §5.4: pairs by "; ". Empty: there is none of that name.
std::string_view cookie(std::string_view pairs, std::string_view name) {
  while (!pairs.empty()) {
    const auto end = pairs.find(';');
    const auto pair = trimmed(pairs.substr(0, end));
    if (pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name)) {
      return pair.substr(name.size() + 1);
    }
    pairs = end == std::string_view::npos ? std::string_view() : pairs.substr(end + 1);
  }
  return {};
}

std::string_view value_of(const HashBy& by, const http::FieldList& fields, std::string_view address) {
  switch (by.kind) {
    case HashBy::Kind::address: return address;
    case HashBy::Kind::header:
      for (const auto& field : fields) {
        if (http::iequals(field.name, by.name)) return field.value;
      }
      return {};
    case HashBy::Kind::cookie:
      for (const auto& field : fields) {  // HTTP/2 may spread them over several
        if (!http::iequals(field.name, "cookie")) continue;
        if (const auto value = cookie(field.value, by.name); !value.empty()) return value;
      }
      return {};
  }
  return {};
}

}  // namespace

std::optional<HashBy> parse_hash_by(std::string_view text) {
  if (text == "address") return HashBy{};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  const std::string name(text.substr(colon + 1));
  if (text.substr(0, colon) == "header") return HashBy{HashBy::Kind::header, name};
  if (text.substr(0, colon) == "cookie") return HashBy{HashBy::Kind::cookie, name};
  return std::nullopt;
}

std::optional<std::uint64_t> hash_key(const HashBy& by, const http::FieldList& fields, std::string_view address) {
  const auto value = value_of(by, fields, address);
  if (value.empty()) return std::nullopt;
  return hash_of(value);
}

}  // namespace fleet::proxy
