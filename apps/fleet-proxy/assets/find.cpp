#include "assets/find.hpp"

namespace fleet::proxy::assets {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
    const auto byte = static_cast<char>(high * 16 + low);
    if (high < 0 || low < 0 || byte == '/') return std::nullopt;
    out += byte;
    i += 2;
  }
  return out;
}

}  // namespace

bool is_plain(std::string_view relative) {
  if (relative.size() > kMaxPath) return false;
  bool begins = true;  // a segment
  for (const char c : relative) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
    if (begins && (c == '/' || c == '.')) return false;
    begins = c == '/';
  }
  return !begins;
}

std::optional<std::string> plain_path(std::string_view target) {
  const auto path = target.substr(0, target.find('?'));
  if (!path.starts_with('/')) return std::nullopt;
  auto plain = decoded(path);
  if (!plain || !is_plain(std::string_view(*plain).substr(1))) return std::nullopt;
  return plain;
}

std::vector<Place> places_of(std::span<const ReleaseAssets> releases, std::string_view target) {
  std::vector<Place> places;
  const auto path = plain_path(target);
  if (!path) return places;
  for (const auto& release : releases) {
    for (auto folder = release.folders.rbegin(); folder != release.folders.rend(); ++folder) {
      const auto& [prefix, place] = *folder;
      if (path->starts_with(prefix)) places.push_back({release.root, place + "/" + path->substr(prefix.size())});
    }
  }
  return places;
}

}  // namespace fleet::proxy::assets
