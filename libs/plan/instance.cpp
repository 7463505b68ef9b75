#include "plan/instance.hpp"

#include <algorithm>
#include <charconv>

namespace fleet::plan {

using enum InstanceStep;

// clang-format off
const InstanceTable kInstanceTable = {{
//              started     healthy  unhealthy     join      leave        drained      let_go  ended    timeout
/* starting  */ {to_warming, ignore,   ignore,       ignore,   stop,        ignore,      ignore, end,     stop},
/* warming   */ {ignore,     to_warm,  ignore,       ignore,   stop,        ignore,      ignore, end,     stop},
/* warm      */ {ignore,     ignore,   to_warming,   to_ready, stop,        ignore,      ignore, end,     ignore},
/* ready     */ {ignore,     ignore,   to_unhealthy, ignore,   to_draining, ignore,      ignore, end,     ignore},
/* unhealthy */ {ignore,     to_ready, ignore,       ignore,   to_draining, ignore,      ignore, end,     to_evicting},
/* draining  */ {ignore,     ignore,   ignore,       to_ready, ignore,      to_evicting, ignore, to_gone, to_evicting},
/* evicting  */ {ignore,     ignore,   ignore,       ignore,   ignore,      ignore,      stop,   end,     ignore},
/* stopping  */ {ignore,     ignore,   ignore,       ignore,   ignore,      ignore,      ignore, end,     stop},
/* backoff   */ {ignore,     ignore,   ignore,       ignore,   to_gone,     ignore,      ignore, ignore,  restart},
/* gone      */ {ignore,     ignore,   ignore,       ignore,   ignore,      ignore,      ignore, ignore,  ignore},
}};
// clang-format on

std::string to_string(const InstanceName& name) {
  return name.app + "-v" + std::to_string(name.release) + "-" + std::to_string(name.serial);
}

std::optional<InstanceName> parse_instance_name(std::string_view id) {
  const auto dash = id.rfind('-'), mark = id.rfind("-v", dash);
  if (mark == std::string_view::npos || mark == 0) return std::nullopt;
  const auto number = [](std::string_view text, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  };
  InstanceName name{std::string(id.substr(0, mark)), 0, 0};
  if (!number(id.substr(mark + 2, dash - std::min(dash, mark + 2)), name.release)) return std::nullopt;
  if (!number(id.substr(dash + 1), name.serial)) return std::nullopt;
  return name;
}

bool is_running(InstancePhase phase) {
  return phase != InstancePhase::backoff && phase != InstancePhase::gone;
}

bool is_probed(InstancePhase phase) {
  return phase == InstancePhase::warming || phase == InstancePhase::warm || phase == InstancePhase::ready ||
         phase == InstancePhase::unhealthy;
}

milliseconds backoff_delay(std::uint32_t crashes) {
  const auto doublings = std::min<std::uint32_t>(crashes > 0 ? crashes - 1 : 0, 6);
  return std::min(milliseconds(1000) * (1 << doublings), milliseconds(60'000));
}

}  // namespace fleet::plan
