// Base64 (RFC 4648 §4), strictly: padded, without white space, and with no bits left over. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fleet::fetch {

std::optional<std::string> decode_base64(std::string_view text);

}  // namespace fleet::fetch
