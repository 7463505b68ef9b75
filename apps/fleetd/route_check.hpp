// What a request would get, found out with the table that the workers have and the functions that they use.
#pragma once

#include "api/backend.hpp"
#include "core/routes.hpp"
#include "route/logins.hpp"

namespace fleet {

// Errors (usage): the URL, method, address or headers are none. `https_port`: where redirects to https lead.
// `ready_path`: which the workers themselves answer, or empty.
Result<api::RouteView> check_route(const RouteTable& table, const api::RouteQuery& asked, std::uint16_t https_port,
                                   std::string_view ready_path, route::Logins& logins, route::Logins::Time now);

}  // namespace fleet
