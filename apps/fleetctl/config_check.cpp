#include "config/load.hpp"
#include <chrono>

#include "core/json.hpp"
#include "tls/load.hpp"
#include "verbs.hpp"

namespace fleet::ctl {
namespace {

struct Findings {
  std::vector<std::string> problems, warnings;
};

// What fleetd would say of the certificates, as far as this user may look.
Findings check_certificates(const std::string& file, const std::vector<TlsConfig>& all) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  const auto roots = tls::Roots::system();
  Findings found;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto place = file + ": tls #" + std::to_string(i + 1) + ": ";
    const auto loaded = tls::load(all[i], roots, seconds, tls::UnreadableKey::warning);
    if (!loaded) {
      found.problems.push_back(place + loaded.error().text);
      continue;
    }
    for (const auto& warning : loaded->inspected.warnings) found.warnings.push_back(place + warning);
    const auto& facts = loaded->inspected.facts;
    if (tls::expiry_alarm(facts, seconds) > 0) {
      found.warnings.push_back(place + all[i].certificate + ": expires on " + tls::day(facts.until) + " (renew it)");
    }
  }
  return found;
}

}  // namespace

Exit check_config(const std::string& file, bool as_json, Terminal& terminal) {
  const auto loaded = config::load(file);
  const auto found = loaded ? check_certificates(file, loaded->tls) : Findings{loaded.error().lines(), {}};
  const bool good = found.problems.empty();
  if (as_json) {
    json::Json result;
    result["file"] = file;
    result["ok"] = good;
    result["problems"] = found.problems;
    result["warnings"] = found.warnings;
    terminal.line(result.dump(-1, ' ', false, json::Json::error_handler_t::replace));
    return good ? Exit::done : Exit::usage;
  }
  for (const auto& line : found.problems) terminal.say(printable(line));
  for (const auto& line : found.warnings) terminal.say(printable("warning: " + line));
  if (good) terminal.line(file + ": ok, " + count(loaded->apps.size(), "app"));
  return good ? Exit::done : Exit::usage;
}

}  // namespace fleet::ctl
