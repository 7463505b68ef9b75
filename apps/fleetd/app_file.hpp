// What a release says of itself: fleet-app.toml in its root.
#pragma once

#include <string>

#include "core/config.hpp"
#include "core/result.hpp"

namespace fleet {

// Empty where there is none. Errors (verify), on one line: it is no file, is too large, or says what it may not;
// "fleet-app.toml:3:1: unknown key \"user\"".
Result<BuildConfig> read_app_file(const std::string& release_dir, Listens listen);

// Nobody says how it is run.
std::string no_command(const std::string& app);

}  // namespace fleet
