// What deploying a build would change of what runs. Pure.
#pragma once

#include <optional>

#include "api/views.hpp"
#include "core/config.hpp"
#include "plan/app.hpp"
#include "store.hpp"
#include "wire/messages.hpp"

namespace fleet {

struct Planned {
  const plan::AppState& state;
  const AppConfig& now;   // of the current release, with what its build says
  const AppConfig& then;  // of the build
  std::optional<Release> current;
  wire::FetchDone fetched;
  std::string environment;  // digest of what new instances would be started with
  bool files_gone = false;  // of the current release
};

// Of instances, what they were started with is compared; one that is not known to differ does not.
api::PlanView planned_view(const Planned& planned);

}  // namespace fleet
