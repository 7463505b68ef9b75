#include <algorithm>
#include <numeric>

#include "config/table.hpp"

namespace fleet::config {
namespace {

// Insertions, deletions and replacements that make `a` of `b`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string suggestion(std::string_view unknown, const std::vector<std::string>& known) {
  unknown = unknown.substr(0, 64);
  std::string_view best;
  std::size_t nearest = std::max<std::size_t>(2, unknown.size() / 3) + 1;
  for (const auto& name : known) {
    const auto d = distance(unknown, name);
    if (d < nearest && d < name.size()) nearest = d, best = name;
  }
  return best.empty() ? "" : " (did you mean " + quote(best) + "?)";
}

}  // namespace fleet::config
