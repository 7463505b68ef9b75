// The path and the host of a request as rules see them (P11). What the application gets is another matter.
#pragma once

#include <string>
#include <string_view>

#include "core/rules.hpp"
#include "http/fault.hpp"

namespace fleet::route {

// A path decoded once, without empty, "." and ".." segments. Tomcat takes "..;x" for "..", so it is one here too.
struct MatchingPath {
  std::string_view text;       // begins with a slash; within the target, or in the scratch given
  bool resegmented = false;    // segments were removed
  bool encoded_slash = false;  // "%2F" was in it

  // What remains behind a prefix of whole segments is "" or begins with a slash.
  bool below(std::string_view prefix) const {
    return text.starts_with(prefix) && (text.size() == prefix.size() || text[prefix.size()] == '/');
  }
};

// `target`: in origin form, or "*". Refused: malformed escapes, NUL however written, and `..` that climbs above the root.
// With EncodedSlash::data "%2F" and "%25" stay as they are, so that the text can be encoded again without a loss.
http::Parsed<MatchingPath> matching_path(std::string_view target, EncodedSlash slash, std::string& scratch);

// Lower case, without port, without the dot of a fully qualified name. Views `authority` or `scratch`.
std::string_view matching_host(std::string_view authority, std::string& scratch);

// Appends text that was decoded so that no byte of it means more than itself: in a path, or within a query.
enum class UriPart : std::uint8_t { path, query };
void append_encoded(std::string& out, std::string_view decoded, UriPart part, EncodedSlash slash);

}  // namespace fleet::route
