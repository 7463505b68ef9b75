#include "route_check.hpp"

#include <algorithm>

#include "http/chars.hpp"
#include "http/forward.hpp"
#include "route/decide.hpp"
#include "route/edits.hpp"
#include "route/index.hpp"

namespace fleet {
namespace {

using std::string_view;

auto wrong(std::string why) { return fail(ErrorKind::usage, std::move(why)); }

// The request as a client would send it.
struct Posed {
  bool https = false;
  std::string text;
  http::RequestHead head;
  http::Framing framing;
  std::optional<http::Fault> fault;  // why a worker would refuse it

  // For paths that fleet itself answers.
  bool asks_for(string_view path) const {
    const bool reads = head.method == http::Method::get || head.method == http::Method::head;
    return reads && head.target.substr(0, head.target.find('?')) == path;
  }
};

Result<std::string> request_text(string_view rest, const api::RouteQuery& asked) {
  const auto visible = [](unsigned char c) { return c > ' ' && c != 0x7f; };
  if (!std::ranges::all_of(rest, visible)) return wrong("url: has blanks or control characters");
  if (asked.method.empty() || !http::all_are(asked.method, http::chars::token)) return wrong("method: not a method");
  rest = rest.substr(0, rest.find('#'));
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  if (end == 0) return wrong("url: has no host");
  std::string text = asked.method + " ";
  text.append(end == rest.size() || rest[end] == '?' ? "/" : "").append(rest.substr(end)) += " HTTP/1.1\r\n";
  bool has_host = false;
  std::string lines;
  for (string_view left = asked.headers; !left.empty();) {
    const auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    if (line.empty() || line.find('\r') != string_view::npos || line.find(':') == string_view::npos) {
      return wrong("header: not \"Name: value\"");
    }
    has_host |= http::iequals(line.substr(0, line.find(':')), "host");
    lines.append(line) += "\r\n";
  }
  if (!has_host) text.append("Host: ").append(rest.substr(0, end)) += "\r\n";
  return text + lines + "\r\n";
}

Result<> pose(const api::RouteQuery& asked, Posed& posed) {
  string_view rest = asked.url;
  for (const string_view scheme : {"http://", "https://"}) {
    if (!http::istarts_with(rest, scheme)) continue;
    posed.https = scheme.size() == 8;
    rest.remove_prefix(scheme.size());
    TRY(posed.text, request_text(rest, asked));
    const auto parsed = http::parse_request(posed.text, posed.head);
    const auto framing = parsed ? http::request_framing(posed.head) : http::refuse(parsed.error());
    if (framing) posed.framing = *framing;
    else posed.fault = framing.error();
    return {};
  }
  return wrong("url: not an http or https URL");
}

void refuse(api::RouteView& view, http::Fault fault) {
  view.status = static_cast<std::uint32_t>(http::status_of(fault));
  view.reason = name(fault);
}

void show_targets(api::RouteView& view, const Route& route) {
  for (const auto& release : route.releases) {
    if (release.accepts != Accepts::everyone) continue;
    for (const auto& target : release.targets) {
      view.targets.push_back({target.id, release.release, std::string(name(target.state))});
    }
  }
}

bool has_ready_target(const Route& route) {
  return std::ranges::any_of(route.releases, [](const RouteRelease& release) {
    return release.accepts == Accepts::everyone &&
           std::ranges::find(release.targets, TargetState::ready, &Target::state) != release.targets.end();
  });
}

void show_readiness(api::RouteView& view, const RouteTable& table) {
  const bool ready = std::ranges::any_of(table.routes, has_ready_target);
  view.because = "ready_path";
  view.status = ready ? 200 : 503;
  if (!ready) view.reason = "not-ready";
}

void show_wait(api::RouteView& view, const Posed& posed, const Route& route, route::Logins::Time now) {
  const auto held_for = route.held_until - std::chrono::duration_cast<milliseconds>(now.time_since_epoch());
  if (held_for.count() <= 0 && has_ready_target(route)) return;
  if (std::ranges::any_of(route.hold.answer, [&](const auto& path) { return posed.asks_for(path); })) {
    view.because = "hold.answer";
    view.status = 200;
  } else if (held_for.count() > 0) {
    view.waits = "held";
    view.waits_ms = held_for;
  } else if (route.awaited && route.hold.timeout.count() > 0) {
    view.waits = "no-target";
    view.waits_ms = route.hold.timeout;
  } else {
    view.status = 503;
    view.reason = "no-target";
  }
}

class Changes final : public http::FieldSink {
 public:
  Changes(const route::CompiledEdits& edits, std::vector<std::string>& out) : edits_(edits), out_(out) {}
  void put(string_view name, string_view value) override {
    const auto same = [name](const std::string& taken) { return http::iequals(taken, name); };
    const auto* what = std::ranges::any_of(edits_.taken, same) ? "set " : "add ";
    out_.push_back(std::string(what).append(name).append(": ").append(value));
  }

 private:
  const route::CompiledEdits& edits_;
  std::vector<std::string>& out_;
};

void show_response_changes(api::RouteView& view, const route::CompiledRules& rules, const route::Values& values) {
  for (const auto& taken : rules.response.taken) {
    const auto same = [&](const auto& own) { return http::iequals(own.name, taken); };
    if (std::ranges::none_of(rules.response.own, same)) view.response_changes.push_back("remove " + taken);
  }
  Changes changes(rules.response, view.response_changes);
  route::ResponseEdits(rules, values).add(changes);
}

void show_limits(api::RouteView& view, const route::CompiledRules& rules) {
  view.max_body = rules.max_body;
  view.first_byte_timeout_ms = rules.first_byte_timeout;
  view.idle_timeout_ms = rules.idle_timeout;
  view.tunnel_timeout_ms = rules.tunnel_timeout;
}

// The head that the application would get, line by line.
void show_request(api::RouteView& view, const Posed& posed, const route::CompiledRules* rules, const route::Values& values,
                  const route::Decision& decision, string_view address) {
  http::RequestChanges changes{decision.target, nullptr};
  std::optional<route::RequestEdits> edits;
  const bool stripped = decision.because == route::Because::strip_path;
  if (rules != nullptr && route::RequestEdits::needed(*rules, stripped)) changes.edits = &edits.emplace(*rules, values, stripped);
  std::string buffer(http::kMaxHead * 2, '\0');
  http::Writer out(buffer.data(), buffer.data() + buffer.size());
  http::write_request(out, posed.head, posed.framing, http::Client{address, posed.https}, changes);
  for (string_view left(buffer.data(), out.size()); left.size() > 2;) {
    const auto line = left.substr(0, left.find("\r\n"));
    left.remove_prefix(line.size() + 2);
    view.request_head.emplace_back(line);
  }
}

void show_decision(api::RouteView& view, const route::Decision& decision, const std::vector<Rewrite>* rewrites) {
  view.because = name(decision.because);
  if (decision.because == route::Because::rewrite) {
    const auto& rewrite = (*rewrites)[decision.rewrite];
    view.rule = "#" + std::to_string(decision.rewrite + 1) + " " + rewrite.match;
    if (!rewrite.to.empty()) view.rule += " -> " + rewrite.to;
  }
  if (decision.status == 0) return;
  view.status = static_cast<std::uint32_t>(decision.status);
  view.reason = decision.reason;
  view.location = decision.location;
}

// The decision as it is when the rules of the path that a rewrite led to have been asked as well.
Result<route::Decision> where_led_to(route::Decision decision, const route::Index& index, const route::Index::Found& from,
                                     const Route& route, string_view host, route::Files& files, const route::Asked& asked,
                                     route::Logins& logins) {
  if (decision.because != route::Because::rewrite || decision.status != 0) return decision;
  std::string scratch;
  const auto path = route::matching_path(decision.target, EncodedSlash::separator, scratch);
  const auto found = path ? index.match(host, path->text) : std::nullopt;
  if (!found || found->route != from.route || found->rules == route::Index::kNone || found->rules == from.rules) return decision;
  TRY(const auto rules, route::compile(route.rules[found->rules], files));
  auto refused = route::admit(*rules, asked, logins);
  return refused.status != 0 ? std::move(refused) : std::move(decision);
}

}  // namespace

Result<api::RouteView> check_route(const RouteTable& table, const api::RouteQuery& asked, std::uint16_t https_port,
                                   string_view ready_path, route::Logins& logins, route::Logins::Time now) {
  const auto address = parse_address(asked.from);
  if (!address) return wrong("from: not an IP address");
  const auto posed = std::make_unique<Posed>();
  TRYV(pose(asked, *posed));
  api::RouteView view;
  view.url = asked.url;
  view.method = asked.method;
  view.generation = table.generation;
  if (posed->fault) return refuse(view, *posed->fault), view;
  if (!ready_path.empty() && posed->asks_for(ready_path)) return show_readiness(view, table), view;

  std::string host_scratch, path_scratch;
  const auto path = route::matching_path(posed->head.target, EncodedSlash::separator, path_scratch);
  if (!path) return refuse(view, path.error()), view;
  view.seen_path = path->text;
  const auto host = route::matching_host(posed->head.authority, host_scratch);
  const route::Index index(table.routes);
  const auto found = index.match(host, path->text);
  if (!found) {
    view.status = 404;
    view.reason = "no-route";
    return view;
  }
  const auto& chosen = table.routes[found->route];
  view.app = chosen.app;
  view.host = found->host;
  view.path = chosen.path;
  const auto* rules = found->rules == route::Index::kNone ? nullptr : &chosen.rules[found->rules];
  route::Files files(chosen.files);
  std::shared_ptr<const route::CompiledRules> compiled;
  if (rules != nullptr) {
    TRY(compiled, route::compile(*rules, files));
    view.path = rules->path;
  }
  const route::Place place{chosen.app, chosen.https_redirect, compiled.get(), host, *path};
  const auto text = to_string(*address);
  const route::Asked request{posed->head, posed->framing, *address, text, posed->https, https_port, now};
  TRY(const auto decision,
      where_led_to(route::decide(place, request, logins), index, *found, chosen, host, files, request, logins));
  const auto values = route::values_of(place, request);
  show_decision(view, decision, rules == nullptr ? nullptr : &rules->rewrites);
  if (compiled) {
    show_limits(view, *compiled);
    show_response_changes(view, *compiled, values);
  }
  if (decision.status == 0) {
    view.target = decision.target.empty() ? std::string(posed->head.target) : decision.target;
    show_request(view, *posed, compiled.get(), values, decision, text);
    show_targets(view, chosen);
    show_wait(view, *posed, chosen, now);
  }
  return view;
}

}  // namespace fleet
