// Follows one deployment to its end, through restarts of fleetd.
#pragma once

#include "api/views.hpp"
#include "verbs.hpp"

namespace fleet::ctl {

// Tells its events, then its end; the exit code that this end has. Waits for as long as it takes.
net::Task<Result<Exit>> follow_deployment(Session& session, api::DeploymentId id);

}  // namespace fleet::ctl
