// Looks at this machine. Reads and changes nothing; what may not be read is left out.
#pragma once

#include <optional>
#include <string>

#include "doctor/facts.hpp"

namespace fleet::ctl::doctor {

// `status`: fleetd's own word, unless `no_answer` says why there is none. `config_file`: empty: what fleetd goes by, or
// the default. `socket`: fleetd's.
Facts gather(const std::string& config_file, const std::string& socket, std::optional<api::StatusView> status, std::string no_answer);

// The shims that neither status knows are those that fleetd does not; `later`: asked after gather().
void drop_known(Facts& facts, const std::optional<api::StatusView>& later);

}  // namespace fleet::ctl::doctor
