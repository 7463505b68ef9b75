// `fleetctl doctor`: what is not as it should be on this machine, and how to mend it. With fleetd or without.
#pragma once

#include "verbs.hpp"

namespace fleet::ctl {

net::Task<Result<Exit>> examine(Session& session);

}  // namespace fleet::ctl
