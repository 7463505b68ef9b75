// Times as fleet writes them: RFC 3339 in UTC with milliseconds, "2026-11-22T23:31:10.123Z".
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace fleet {

// Since the epoch. Nothing: it is not written so.
std::optional<std::chrono::milliseconds> parse_time(std::string_view text);

}  // namespace fleet
