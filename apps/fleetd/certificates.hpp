// The certificates that workers serve, read and checked by fleetd: workers open no files.
#pragma once

#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/result.hpp"
#include "wire/messages.hpp"

namespace fleet {

// Reads the configured pairs; with none and `needed`, a self-signed one for localhost that is made once and kept in
// `own_dir`. Errors name the file: not readable, not PEM, a key that does not belong to the certificate, expired.
Result<wire::Keys> load_keys(const std::vector<TlsConfig>& configured, bool needed, const std::string& own_dir);

}  // namespace fleet
