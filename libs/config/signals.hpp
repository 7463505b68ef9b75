// Signals that may ask an application to stop, by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fleet::config {

std::optional<int> signal_number(std::string_view name);  // "SIGTERM" or "TERM"
std::string signal_names();                               // "SIGTERM SIGINT ...", for messages and the reference

}  // namespace fleet::config
