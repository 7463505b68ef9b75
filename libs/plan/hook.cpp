#include "plan/hook.hpp"

namespace fleet::plan {

using enum HookStep;

// clang-format off
const HookTable kHookTable = {{
//             started     succeeded  failed     timeout  leave   lost
/* starting */ {to_running, to_passed, to_failed, stop,    stop,   again},
/* running  */ {ignore,     to_passed, to_failed, stop,    stop,   to_failed},
/* stopping */ {ignore,     to_failed, to_failed, stop,    ignore, to_failed},
/* passed   */ {ignore,     ignore,    ignore,    ignore,  ignore, ignore},
/* failed   */ {ignore,     ignore,    ignore,    ignore,  ignore, ignore},
}};
// clang-format on

std::string hook_id(const InstanceName& name, Hook hook) { return to_string(name) + "-" + std::string(fleet::name(hook)); }

std::optional<InstanceName> parse_hook_id(std::string_view id) {
  const auto dash = id.rfind('-');
  if (dash == std::string_view::npos || !from_name<Hook>(id.substr(dash + 1))) return std::nullopt;
  return parse_instance_name(id.substr(0, dash));
}

}  // namespace fleet::plan
