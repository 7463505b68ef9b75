// Which of two versions is the later. No I/O.
#pragma once

#include <compare>
#include <optional>
#include <string_view>

namespace fleet::fetch {

// By the rules of Semantic Versioning (https://semver.org, §11), for any number of parts, of which missing ones are 0;
// a leading v and what follows a + do not count. Nothing for those that do not begin with a number, as hashes of
// commits, which have no order.
std::optional<std::strong_ordering> compare_versions(std::string_view a, std::string_view b);

}  // namespace fleet::fetch
