// fleet.toml: whatever it holds, the reader ends with a configuration or with problems that name their place.
#include "config/parse.hpp"

#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto config = config::parse(std::string(input.rest()), "fleet.toml", {});
  if (config) return;
  require(!config.error().list.empty(), "a refusal says why");
  for (const auto& line : config.error().lines()) {
    require(line.starts_with("fleet.toml") && line.find('\n') == std::string::npos, "and where, in one line");
  }
}
