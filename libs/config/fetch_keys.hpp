// The keys of where an app's builds come from, and of what is asked of them.
#pragma once

#include "config/table.hpp"
#include "core/config.hpp"

namespace fleet::config {

// Those that stand in the app's own table, and those of its table "fetch".
const Keys<FetchConfig>& build_keys();
const Keys<FetchConfig>& fetch_keys();

// What is wrong with several of them together; `app_table` is where they stand.
void check_fetch(const Node& app_table, const FetchConfig& fetch, const Context& context);

}  // namespace fleet::config
