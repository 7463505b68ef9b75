// What a request is hashed by (balance = "hash").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/fields.hpp"

namespace fleet::proxy {

struct HashBy {
  enum class Kind : std::uint8_t { header, cookie, address };
  Kind kind = Kind::address;
  std::string name;
};

// "header:NAME", "cookie:NAME", "address".
std::optional<HashBy> parse_hash_by(std::string_view text);

// Nothing: the request does not have it.
std::optional<std::uint64_t> hash_key(const HashBy& by, const http::FieldList& fields, std::string_view address);

}  // namespace fleet::proxy
