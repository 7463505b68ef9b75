// What must hold between keys: of one table, of two apps, of the machine.
#pragma once

#include "config/context.hpp"
#include "config/document.hpp"
#include "core/config.hpp"

namespace fleet::config {

void check_config(const Config&, const Node& document, const Context&);

// `listen`: where instances of the app listen, which the operator says.
void check_app_file(const BuildConfig&, Listens listen, const Node& document, const Context&);

}  // namespace fleet::config
