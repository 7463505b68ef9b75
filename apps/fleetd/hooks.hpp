// What the command of a hook is told: the deploy, as JSON on its standard input, and the address of what it is about.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "instances.hpp"
#include "plan/app.hpp"

namespace fleet {

struct HookInstance {
  std::string id;
  std::uint32_t pid = 0;
  std::uint16_t port = 0;  // on 127.0.0.1; 0: see socket
  std::string socket;
  FLEET_FIELDS(HookInstance, id, pid, port, socket)
};

struct HookError {
  ErrorKind kind = ErrorKind::internal;
  std::string text;
  std::optional<std::int32_t> exit_code, signal;
  FLEET_FIELDS(HookError, kind, text, exit_code, signal)
};

// As fleet.toml(5) describes it.
struct HookInput {
  Hook hook = Hook::pre_start;
  std::string app;
  std::uint64_t deployment = 0;
  plan::RolloutKind kind = plan::RolloutKind::deploy;
  std::string requested_by;
  std::optional<std::uint64_t> release, previous_release;  // that is deployed, and that serves until then
  std::string url, sha256, version;                        // of the build; url without user information and query
  std::vector<HookInstance> instances;
  std::optional<HookError> error;
  FLEET_FIELDS(HookInput, hook, app, deployment, kind, requested_by, release, previous_release, url, sha256, version,
               instances, error)
};

// For a hook of the rollout under way. `version`: of the build, by its manifest.
HookSetting hook_setting(const plan::AppState& state, const plan::RunHook& run, const std::string& version);

}  // namespace fleet
