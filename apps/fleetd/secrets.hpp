// What only an application may know: read from files each time something of it is started, handed on in its
// environment, and kept nowhere.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/config.hpp"
#include "core/result.hpp"
#include "paths.hpp"

namespace fleet {

// Of [app.NAME.secrets] and env_file; the former win. Errors (usage): they name the file and never what is in it.
Result<std::map<std::string, std::string>> read_secrets(const AppConfig& app);

// The whole of a file that its owner, root or fleetd, keeps from others: fleetd's group and root's may read it.
// Errors (usage): no such file, more than 64 KiB, another's, or open to others.
Result<std::string> read_secret_file(const std::string& path);

// NAME=VALUE lines; blank ones and those that begin with # or ; are none. A value within one pair of quotes is what is
// in them; nothing else is replaced. Errors: the number of the line that is something else.
Result<std::map<std::string, std::string>> parse_env_file(std::string_view text);

// What tells one environment of an app from another: 16 hex digits under a key of this fleetd's, so that nobody can try
// values without it. Of `env`, env_file and the secrets as they are now. Errors: as read_secrets().
Result<std::string> environment_digest(const Paths& paths, const AppConfig& app);

}  // namespace fleet
