#include "config/load.hpp"
#include "core/json.hpp"
#include "verbs.hpp"

namespace fleet::ctl {

Exit check_config(const std::string& file, bool as_json, Terminal& terminal) {
  const auto loaded = config::load(file);
  if (as_json) {
    json::Json result;
    result["file"] = file;
    result["ok"] = loaded.has_value();
    result["problems"] = json::Json::array();
    if (!loaded) {
      for (const auto& line : loaded.error().lines()) result["problems"].push_back(line);
    }
    terminal.line(result.dump(-1, ' ', false, json::Json::error_handler_t::replace));
  } else if (loaded) {
    terminal.line(file + ": ok, " + count(loaded->apps.size(), "app"));
  } else {
    for (const auto& line : loaded.error().lines()) terminal.say(printable(line));
  }
  return loaded ? Exit::done : Exit::usage;
}

}  // namespace fleet::ctl
