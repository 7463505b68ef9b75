#include "core/signal_names.hpp"

#include <charconv>
#include <csignal>
#include <cstring>

namespace fleet {

std::string signal_name(int signal_number) {
  if (signal_number > 0 && signal_number < SIGRTMIN) {
    if (const char* name = ::sigabbrev_np(signal_number)) return std::string("SIG") + name;
  }
  if (signal_number == SIGRTMIN) return "SIGRTMIN";
  if (signal_number > SIGRTMIN && signal_number <= SIGRTMAX) {
    return "SIGRTMIN+" + std::to_string(signal_number - SIGRTMIN);
  }
  return "signal " + std::to_string(signal_number);
}

std::optional<int> parse_signal(std::string_view name) {
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (int number = 1; number < SIGRTMIN; ++number) {
    const char* known = ::sigabbrev_np(number);
    if (known && name == known) return number;
  }
  if (!name.starts_with("RTMIN")) return std::nullopt;
  name.remove_prefix(5);
  if (name.empty()) return SIGRTMIN;
  if (!name.starts_with('+')) return std::nullopt;
  name.remove_prefix(1);
  int offset = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), offset);
  if (error != std::errc() || end != name.data() + name.size() || offset < 0 || offset > SIGRTMAX - SIGRTMIN) {
    return std::nullopt;
  }
  return SIGRTMIN + offset;
}

}  // namespace fleet
