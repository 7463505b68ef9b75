#include "plan/rollout.hpp"

namespace fleet::plan {

using enum RolloutStep;

// clang-format off
const RolloutTable kRolloutTable = {{
//                fetched       current  failed    all_warm       acked           drained      stopped        abort     hooked
/* prepare     */ {to_pre_start, to_done, to_abort, ignore,        ignore,         ignore,      ignore,        to_abort, ignore},
/* pre_start   */ {ignore,       ignore,  to_abort, ignore,        ignore,         ignore,      ignore,        to_abort, to_warm},
/* warm        */ {ignore,       ignore,  to_abort, to_pre_switch, ignore,         ignore,      ignore,        to_abort, ignore},
/* pre_switch  */ {ignore,       ignore,  to_abort, ignore,        ignore,         ignore,      ignore,        to_abort, to_commit},
/* commit      */ {ignore,       ignore,  ignore,   ignore,        to_post_switch, ignore,      ignore,        ignore,   ignore},
/* post_switch */ {ignore,       ignore,  ignore,   ignore,        ignore,         ignore,      ignore,        ignore,   to_drain},
/* drain       */ {ignore,       ignore,  ignore,   ignore,        ignore,         to_pre_stop, ignore,        ignore,   ignore},
/* pre_stop    */ {ignore,       ignore,  ignore,   ignore,        ignore,         ignore,      ignore,        ignore,   to_retire},
/* retire      */ {ignore,       ignore,  ignore,   ignore,        ignore,         ignore,      to_done,       ignore,   ignore},
/* done        */ {ignore,       ignore,  ignore,   ignore,        ignore,         ignore,      ignore,        ignore,   ignore},
/* abort       */ {ignore,       ignore,  ignore,   ignore,        ignore,         ignore,      to_on_failure, ignore,   ignore},
/* on_failure  */ {ignore,       ignore,  ignore,   ignore,        ignore,         ignore,      ignore,        ignore,   to_done},
}};
// clang-format on

std::optional<Hook> hook_of(RolloutPhase phase) { return from_name<Hook>(name(phase)); }

}  // namespace fleet::plan
