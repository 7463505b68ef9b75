#include "plan/rollout.hpp"

namespace fleet::plan {

using enum RolloutStep;

// clang-format off
const RolloutTable kRolloutTable = {{
//            fetched  current  failed    all_warm   acked     drained    stopped  abort
/* prepare */ {to_warm, to_done, to_abort, ignore,    ignore,   ignore,    ignore,  to_abort},
/* warm    */ {ignore,  ignore,  to_abort, to_commit, ignore,   ignore,    ignore,  to_abort},
/* commit  */ {ignore,  ignore,  ignore,   ignore,    to_drain, ignore,    ignore,  ignore},
/* drain   */ {ignore,  ignore,  ignore,   ignore,    ignore,   to_retire, ignore,  ignore},
/* retire  */ {ignore,  ignore,  ignore,   ignore,    ignore,   ignore,    to_done, ignore},
/* done    */ {ignore,  ignore,  ignore,   ignore,    ignore,   ignore,    ignore,  ignore},
/* abort   */ {ignore,  ignore,  ignore,   ignore,    ignore,   ignore,    to_done, ignore},
}};
// clang-format on

}  // namespace fleet::plan
