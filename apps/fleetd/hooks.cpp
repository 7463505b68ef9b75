#include "hooks.hpp"

#include <algorithm>

#include "api/public_url.hpp"
#include "core/json.hpp"

namespace fleet {

HookSetting hook_setting(const plan::AppState& state, const plan::RunHook& run, const std::string& version) {
  const auto& rollout = *state.rollout;
  HookInput input;
  input.hook = run.hook;
  input.app = state.name;
  input.deployment = rollout.deployment;
  input.kind = rollout.kind;
  input.requested_by = rollout.requested_by;
  if (rollout.release != 0) input.release = rollout.release;
  if (rollout.previous != 0) input.previous_release = rollout.previous;
  input.url = api::public_url(rollout.url);
  input.sha256 = rollout.sha256;
  input.version = version;
  HookSetting setting;
  setting.id = run.id;
  setting.hook = run.hook;
  setting.deployment = rollout.deployment;
  for (const auto& id : run.about) {
    const auto found = std::ranges::find(state.instances, id, &plan::Instance::id);
    if (found == state.instances.end()) continue;
    if (input.instances.empty()) setting.setting = *found;
    input.instances.push_back({found->id, found->pid, found->port, found->socket});
  }
  setting.setting.release = run.release;
  setting.setting.sha256 = plan::build_of(state, run.release);
  if (!rollout.error.empty()) {
    input.error = HookError{rollout.error_kind, rollout.error, rollout.exit_code, rollout.signal};
  }
  setting.input = json::write(input).dump(-1, ' ', false, json::Json::error_handler_t::replace) + "\n";
  return setting;
}

}  // namespace fleet
