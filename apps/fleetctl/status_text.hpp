// `fleetctl status` and `fleetctl releases` as text. Pure.
#pragma once

#include <optional>
#include <string>

#include "api/views.hpp"
#include "story.hpp"

namespace fleet::ctl {

// One line for fleetd, one row an app, then only what is not as it should be. With `app`: its instances too.
std::string status_text(const api::StatusView& status, const std::optional<std::string>& app, milliseconds now,
                        const Style& style);

// One line on what a hold, or its end, has come to.
std::string hold_text(const api::HoldView& hold, milliseconds now);

std::string pin_text(const api::ReleaseView& release);
std::string gc_text(const api::GcView& removed, const Style& style);
std::string releases_text(const api::ReleasesView& releases, milliseconds now, const Style& style);

}  // namespace fleet::ctl
