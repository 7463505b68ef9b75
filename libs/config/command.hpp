// Placeholders in command lines: {port} and its like are replaced, {{ is a literal brace, a lone } is itself.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace fleet::config {

// What a command may ask for: port socket release release_dir instance data_dir.
std::span<const std::string_view> placeholders();

// Errors (usage): a placeholder that `values` does not have, a brace that is not closed.
Result<std::string> expand(std::string_view text, const std::map<std::string, std::string>& values);
Result<std::vector<std::string>> expand_command(const std::vector<std::string>& command,
                                                const std::map<std::string, std::string>& values);

}  // namespace fleet::config
