// `fleetctl route check` as text. Pure.
#pragma once

#include <string>

#include "api/views.hpp"
#include "story.hpp"

namespace fleet::ctl {

bool is_taken(const api::RouteView& route);  // by an app, or by fleet itself
std::string route_text(const api::RouteView& route, const Style& style);

}  // namespace fleet::ctl
