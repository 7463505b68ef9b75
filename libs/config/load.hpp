// Reads fleet.toml from disk, with this process's own environment.
#pragma once

#include <expected>
#include <string>

#include "config/parse.hpp"

namespace fleet::config {

std::expected<Config, Problems> load(const std::string& path);

}  // namespace fleet::config
