#include "plan_text.hpp"

#include <algorithm>

#include "text.hpp"

namespace fleet::ctl {

std::string plan_text(const api::PlanView& plan, const Style& style) {
  std::string out = printable(plan.url) + "\n";
  const auto line = [&](std::string name, const std::string& text) {
    if (text.empty()) return;
    name.resize(12, ' ');
    out += "  " + coloured(name, Colour::dim, style.colour) + printable(text) + "\n";
  };
  line("build", plan.sha256 + ", " + plan.format + ", " + byte_count(plan.bytes) + " unpacked");
  line("version", plan.version);
  line("signed by", plan.signed_by);
  line("app", plan.app + ", " +
                  (plan.release ? "on v" + std::to_string(*plan.release) : std::string("which runs nothing yet")));
  line("route", plan.route);
  line("instances", std::to_string(plan.instances));
  if (plan.changes.empty()) return out + coloured("a deploy would change nothing", Colour::green, style.colour) + "\n";
  const auto is_for_deploy = [](const api::PlannedChange& change) { return change.what == "build" || change.what == "files"; };
  const bool same = std::ranges::none_of(plan.changes, is_for_deploy);
  out += coloured(same ? "this build runs already; fleetctl restart would change:" : "a deploy would change:",
                  Colour::yellow, style.colour) +
         "\n";
  for (const auto& change : plan.changes) {
    out += "  " + coloured(printable(change.what), Colour::yellow, style.colour) + "\n";
    if (!change.was.empty()) out += "    - " + printable(change.was) + "\n";
    if (!change.will.empty()) out += "    + " + printable(change.will) + "\n";
  }
  return out;
}

}  // namespace fleet::ctl
