#include "route_text.hpp"

#include "config/values.hpp"
#include "text.hpp"

namespace fleet::ctl {
namespace {

std::string whose(const api::RouteView& route) {
  if (route.because == "ready_path") return "none: it asks whether fleet is ready";
  if (route.app.empty()) return "none takes it";
  return route.app + ", by " + (route.host.empty() ? "any host" : "host " + route.host) + " and path " + route.path;
}

std::string answer(const api::RouteView& route) {
  if (!route.status) return "the application's, asked for " + route.target;
  auto text = std::to_string(*route.status);
  if (!route.location.empty()) text += " to " + route.location;
  if (!route.reason.empty()) text += " (" + route.reason + ")";
  return text + ", by fleet";
}

std::string waits(const api::RouteView& route) {
  if (route.waits == "held") return "for the end of the hold, in " + duration(route.waits_ms) + " at most";
  return route.waits.empty() ? "" : "for an instance that takes it, " + duration(route.waits_ms) + " at most";
}

std::string limits(const api::RouteView& route) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (route.max_body != 0) add("bodies of " + config::show_size(route.max_body));
  if (route.first_byte_timeout_ms.count() != 0) add("first byte in " + duration(route.first_byte_timeout_ms));
  if (route.idle_timeout_ms.count() != 0) add("idle for " + duration(route.idle_timeout_ms));
  if (route.tunnel_timeout_ms.count() != 0) add("tunnels idle for " + duration(route.tunnel_timeout_ms));
  return text;
}

}  // namespace

bool is_taken(const api::RouteView& route) { return !route.app.empty() || route.because == "ready_path"; }

std::string route_text(const api::RouteView& route, const Style& style) {
  std::string out = printable(route.method + " " + route.url) + "\n";
  const auto line = [&](std::string name, const std::string& text, Colour colour = Colour::none) {
    if (text.empty()) return;
    name.resize(10, ' ');
    out += "  " + coloured(name, Colour::dim, style.colour) + coloured(printable(text), colour, style.colour) + "\n";
  };
  line("app", whose(route), is_taken(route) ? Colour::none : Colour::red);
  line("path", route.seen_path);
  if (route.because != "nothing") line("because", route.because + (route.rule.empty() ? "" : " " + route.rule));
  const auto bad = route.status && *route.status >= 400;
  line("answer", answer(route), bad ? Colour::red : Colour::green);
  line("waits", waits(route), Colour::yellow);
  for (const auto& target : route.targets) {
    line("target", target.instance + " of v" + std::to_string(target.release) + ", " + target.state);
  }
  for (const auto& field : route.request_head) line("request", field);
  for (const auto& change : route.response_changes) line("response", change);
  line("limits", limits(route));
  return out;
}

}  // namespace fleet::ctl
