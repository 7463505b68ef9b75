// What stands in the place of a build and says where it is: a JSON manifest, or a text of nothing but a URL. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace fleet::fetch {

constexpr std::size_t kLargestPointer = 64u << 10;  // bytes

struct Pointer {
  std::string url;        // perhaps relative
  std::string sha256;     // lower-case hex; empty: not told
  std::string version;    // empty: not told
  std::string signature;  // minisign's, or where it is; empty: not told
};

// Nothing when these bytes, which are all there are, are no pointer (but a build, perhaps). Errors: verify, when they
// are one that is not right.
Result<std::optional<Pointer>> parse_pointer(std::string_view content);

// "HEX" or "HEX  NAME", as sha256sum(1) writes it; lower case. Nothing when it is none.
std::optional<std::string> parse_digest_file(std::string_view content);

}  // namespace fleet::fetch
