// Reads fleet.toml from disk, with this process's own environment.
#pragma once

#include <expected>
#include <string>

#include "config/parse.hpp"

namespace fleet::config {

// Whether a user or group that this machine lacks is a problem of the file. For a fleetd that starts it is one of that
// app alone: the others are to serve.
enum class Users { must_exist, may_lack };

std::expected<Config, Problems> load(const std::string& path, Users users = Users::must_exist);

}  // namespace fleet::config
