// `fleetctl upgrade`: fleetd gives way to another build of itself, and then the proxy workers to theirs.
#pragma once

#include "verbs.hpp"

namespace fleet::ctl {

net::Task<Result<Exit>> upgrade(Session& session);

}  // namespace fleet::ctl
