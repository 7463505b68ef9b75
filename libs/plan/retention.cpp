#include "plan/retention.hpp"

#include <algorithm>
#include <numeric>

namespace fleet::plan {

std::vector<Expendable> expendable(const std::vector<KeptRelease>& kept, const KeepConfig& keep) {
  std::vector<Expendable> out;
  std::vector<KeptRelease> others;  // that stay so far
  auto bytes = std::accumulate(kept.begin(), kept.end(), std::uint64_t{0},
                               [](std::uint64_t sum, const KeptRelease& one) { return sum + one.bytes; });
  const auto give_up = [&](const KeptRelease& one, std::string why) {
    out.push_back({one.number, std::move(why)});
    bytes -= one.bytes;
  };
  for (const auto& one : kept) {
    if (one.needed || one.pinned) continue;
    if (others.size() == keep.releases) give_up(one, "keep_releases");
    else if (keep.age.count() > 0 && one.age > keep.age) give_up(one, "keep_age");
    else others.push_back(one);
  }
  for (; keep.bytes > 0 && bytes > keep.bytes && !others.empty(); others.pop_back()) give_up(others.back(), "keep_bytes");
  std::ranges::sort(out, std::ranges::greater{}, &Expendable::number);
  return out;
}

}  // namespace fleet::plan
