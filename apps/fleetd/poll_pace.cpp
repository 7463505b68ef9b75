#include "poll_pace.hpp"

#include <algorithm>

namespace fleet {

std::chrono::milliseconds next_look(std::chrono::milliseconds poll, std::uint32_t failures, double random) {
  const auto longest = std::max<std::chrono::milliseconds>(poll, std::chrono::hours(1));
  auto pause = poll;
  for (std::uint32_t i = 0; i < failures && pause < longest; ++i) pause *= 2;
  pause = std::min(pause, longest);
  return std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(pause.count()) * (0.9 + 0.2 * random)));
}

}  // namespace fleet
