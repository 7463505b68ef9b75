// Signal names as operators write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fleet {

// "SIGTERM" for 15, "SIGRTMIN+3" for 37; "signal 99" for what has no name.
std::string signal_name(int signal_number);

// "SIGTERM", "TERM" or "SIGRTMIN+3"; nothing for other texts.
std::optional<int> parse_signal(std::string_view name);

}  // namespace fleet
