// `fleetctl route check` as text. Pure.
#pragma once

#include <string>

#include "api/views.hpp"
#include "story.hpp"

namespace fleet::ctl {

std::string route_text(const api::RouteView& route, const Style& style);

}  // namespace fleet::ctl
