// Logging: a constant message, then key=value facts. To standard error, one line an event.
#pragma once

#include <string>

namespace fleet::log {

// Sets up spdlog's default logger for this program: "2026-11-22T23:31:10.123Z info  fleetd: message key=value",
// coloured only on a terminal and without NO_COLOR. `level`: trace, debug, info, warn, error.
void start(const std::string& program, const std::string& level = "info");

}  // namespace fleet::log
