// One function for each row of the table in routes.cpp.
#pragma once

#include "api/backend.hpp"
#include "api/http.hpp"

namespace fleet::api {

net::Task<Result<Response>> get_health(Backend&, Request);
net::Task<Result<Response>> get_status(Backend&, Request);
net::Task<Result<Response>> get_metrics(Backend&, Request);
net::Task<Result<Response>> get_route(Backend&, Request);
net::Task<Result<Response>> post_deployment(Backend&, Request);
net::Task<Result<Response>> post_plan(Backend&, Request);
net::Task<Result<Response>> post_rollback(Backend&, Request);
net::Task<Result<Response>> post_restart(Backend&, Request);
net::Task<Result<Response>> post_hold(Backend&, Request);
net::Task<Result<Response>> post_unhold(Backend&, Request);
net::Task<Result<Response>> get_releases(Backend&, Request);
net::Task<Result<Response>> post_pin(Backend&, Request);
net::Task<Result<Response>> post_unpin(Backend&, Request);
net::Task<Result<Response>> post_gc(Backend&, Request);
net::Task<Result<Response>> get_logs(Backend&, Request);
net::Task<Result<Response>> get_deployment(Backend&, Request);
net::Task<Result<Response>> get_deployment_events(Backend&, Request);
net::Task<Result<Response>> post_abort(Backend&, Request);
net::Task<Result<Response>> get_events(Backend&, Request);
net::Task<Result<Response>> post_reload(Backend&, Request);
net::Task<Result<Response>> post_proxy_upgrade(Backend&, Request);
net::Task<Result<Response>> post_upgrade(Backend&, Request);
net::Task<Result<Response>> post_shutdown(Backend&, Request);

}  // namespace fleet::api
