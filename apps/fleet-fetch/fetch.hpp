// One job, from its URL to a release directory.
#pragma once

#include "core/result.hpp"
#include "link.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

// On an error `progress` tells in which phase it came up, and nothing is left behind.
Result<wire::FetchDone> fetch(const wire::FetchJob&, Progress&);

}  // namespace fleet::fetch
