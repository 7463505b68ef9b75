// In what order apps that depend on each other are started and stopped.
#include <algorithm>

#include "plan/app.hpp"

namespace fleet::plan {

bool lets_others_start(const AppState& state) {
  const auto serves = [](const Instance& i) { return i.phase == InstancePhase::ready; };
  return state.current == 0 || state.removed || std::ranges::any_of(state.instances, serves);
}

std::vector<std::vector<std::string>> stop_order(const std::vector<AppConfig>& apps) {
  std::vector<const AppConfig*> left;
  for (const auto& app : apps) left.push_back(&app);
  std::vector<std::vector<std::string>> rows;
  while (!left.empty()) {
    const auto is_needed = [&](const AppConfig* app) {
      return std::ranges::any_of(left, [&](const AppConfig* other) {
        return other != app && std::ranges::find(other->depends_on, app->name) != other->depends_on.end();
      });
    };
    auto needed = left;
    std::erase_if(needed, [&](const AppConfig* app) { return !is_needed(app); });
    if (needed.size() == left.size()) needed.clear();
    auto& row = rows.emplace_back();
    for (const auto* app : left) {
      if (std::ranges::find(needed, app) == needed.end()) row.push_back(app->name);
    }
    left = std::move(needed);
  }
  return rows;
}

}  // namespace fleet::plan
