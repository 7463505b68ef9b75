// Where the file of a request's path may be, among the releases that are kept. Pure: nothing is looked at.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/routes.hpp"

namespace fleet::proxy::assets {

// A file of a release, if it is there.
struct Place {
  std::string root;  // the release's folder, absolute
  std::string file;  // relative to it, of plain segments alone
  FLEET_FIELDS(Place, root, file)
};

constexpr std::size_t kMaxPath = 4095;

// Segments that are not empty and begin with no dot; no NUL, control character or backslash.
bool is_plain(std::string_view relative);

// The path of a request target, decoded, if all behind its first slash is_plain(); neither may a slash be encoded.
std::optional<std::string> plain_path(std::string_view target);

// In the order in which they are to be tried: release by release as given, in each the longest prefix first. None: it is
// the application's alone.
std::vector<Place> places_of(std::span<const ReleaseAssets> releases, std::string_view target);

}  // namespace fleet::proxy::assets
