#include "config/signals.hpp"

#include <array>
#include <csignal>
#include <utility>

namespace fleet::config {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 7> kSignals{{{"SIGTERM", SIGTERM},
                                                                     {"SIGINT", SIGINT},
                                                                     {"SIGQUIT", SIGQUIT},
                                                                     {"SIGHUP", SIGHUP},
                                                                     {"SIGUSR1", SIGUSR1},
                                                                     {"SIGUSR2", SIGUSR2},
                                                                     {"SIGWINCH", SIGWINCH}}};

}  // namespace

std::optional<int> signal_number(std::string_view name) {
  for (const auto& [known, number] : kSignals) {
    if (name == known || name == known.substr(3)) return number;
  }
  return std::nullopt;
}

std::string signal_names() {
  std::string names;
  for (const auto& [known, number] : kSignals) names.append(names.empty() ? "" : " ").append(known);
  return names;
}

}  // namespace fleet::config
