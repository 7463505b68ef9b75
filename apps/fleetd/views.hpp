// What operators see, made from what the planner holds. Pure.
#pragma once

#include <string>

#include "api/views.hpp"
#include "plan/app.hpp"
#include "wire/messages.hpp"

namespace fleet {

// Without user information and query, where secrets live. A path is itself.
std::string public_url(const std::string& url);

api::Progress show_progress(const wire::FetchProgress& progress);
api::EventView event_of(const std::string& app, const plan::Report& report);
api::EventView published_event(const std::string& app, std::uint64_t generation);
api::EventView finished_event(const api::DeploymentView& deployment);
api::EventView progress_event(const std::string& app, api::DeploymentId id, const api::Progress& progress);
api::EventView health_event(const std::string& app, const std::string& health);

// Brings the view of a deployment up to its rollout.
void show_rollout(api::DeploymentView& view, const plan::Rollout& rollout);

api::InstanceView show_instance(const plan::Instance& instance, std::uint32_t in_flight, std::string since);

// One line on how a rollout ended.
std::string summary(const std::string& app, const plan::Rollout& rollout);

}  // namespace fleet
