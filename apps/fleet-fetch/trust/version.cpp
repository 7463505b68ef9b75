#include "trust/version.hpp"

#include <algorithm>

namespace fleet::fetch {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Of any length.
std::strong_ordering compare_numbers(std::string_view a, std::string_view b) {
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  return a.size() != b.size() ? a.size() <=> b.size() : a.compare(b) <=> 0;
}

// A number is lower than a word.
std::strong_ordering compare_parts(std::string_view a, std::string_view b) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b);
  if (is_number(a) != is_number(b)) return is_number(a) ? std::strong_ordering::less : std::strong_ordering::greater;
  return a.compare(b) <=> 0;
}

std::string_view take_part(std::string_view& text) {
  const auto end = std::min(text.find('.'), text.size());
  const auto part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

std::strong_ordering compare_releases(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const auto left = a.empty() ? "0" : take_part(a), right = b.empty() ? "0" : take_part(b);
    const auto order = compare_parts(left, right);
    if (order != 0) return order;
  }
  return std::strong_ordering::equal;
}

// Of those that are equal as far as the shorter goes, that one is lower.
std::strong_ordering compare_pre_releases(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const auto order = compare_parts(take_part(a), take_part(b));
    if (order != 0) return order;
  }
  return a.empty() == b.empty() ? std::strong_ordering::equal : b.empty() <=> a.empty();
}

struct Version {
  std::string_view release, pre;

  explicit Version(std::string_view text) {
    if (text.starts_with('v')) text.remove_prefix(1);
    text = text.substr(0, text.find('+'));
    const auto dash = std::min(text.find('-'), text.size());
    release = text.substr(0, dash);
    pre = text.substr(std::min(dash + 1, text.size()));
  }
  bool has_order() const { return is_number(release.substr(0, release.find('.'))); }
};

}  // namespace

std::optional<std::strong_ordering> compare_versions(std::string_view a, std::string_view b) {
  const Version left(a), right(b);
  if (!left.has_order() || !right.has_order()) return std::nullopt;
  const auto order = compare_releases(left.release, right.release);
  if (order != 0) return order;
  // One that is before a release is lower than that.
  if (left.pre.empty() || right.pre.empty()) return left.pre.empty() <=> right.pre.empty();
  return compare_pre_releases(left.pre, right.pre);
}

}  // namespace fleet::fetch
