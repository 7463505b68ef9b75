// `fleetctl plan` as text. Pure.
#pragma once

#include <string>

#include "api/views.hpp"
#include "story.hpp"

namespace fleet::ctl {

std::string plan_text(const api::PlanView& plan, const Style& style);

}  // namespace fleet::ctl
