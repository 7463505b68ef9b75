// A certificate for localhost, for who has none yet.
#pragma once

#include <string>

#include "core/result.hpp"
#include "tls/load.hpp"

namespace fleet {

// Made once and kept in `dir` as localhost.pem and localhost.key, for clients that trusted it shall not be asked again.
Result<tls::Loaded> self_signed(const std::string& dir, std::int64_t now);

}  // namespace fleet
