#include "api/routes.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "api/handlers.hpp"

namespace fleet::api {
namespace {

constexpr Route kRoutes[] = {
    {"GET", "/healthz", Access::everyone, get_health},
    {"GET", "/metrics", Access::everyone, get_metrics},
    {"GET", "/v1/status", Access::everyone, get_status},
    {"POST", "/v1/apps/{app}/deployments", Access::operators, post_deployment},
    {"POST", "/v1/apps/{app}/plan", Access::operators, post_plan},
    {"POST", "/v1/apps/{app}/rollback", Access::operators, post_rollback},
    {"POST", "/v1/apps/{app}/restart", Access::operators, post_restart},
    {"POST", "/v1/apps/{app}/hold", Access::operators, post_hold},
    {"POST", "/v1/apps/{app}/unhold", Access::operators, post_unhold},
    {"GET", "/v1/apps/{app}/releases", Access::operators, get_releases},
    {"POST", "/v1/apps/{app}/releases/{release}/pin", Access::operators, post_pin},
    {"POST", "/v1/apps/{app}/releases/{release}/unpin", Access::operators, post_unpin},
    {"GET", "/v1/apps/{app}/logs", Access::operators, get_logs},
    {"GET", "/v1/deployments/{id}", Access::operators, get_deployment},
    {"GET", "/v1/deployments/{id}/events", Access::operators, get_deployment_events},
    {"POST", "/v1/deployments/{id}/abort", Access::operators, post_abort},
    {"GET", "/v1/events", Access::operators, get_events},
    {"GET", "/v1/route", Access::operators, get_route},
    {"POST", "/v1/gc", Access::operators, post_gc},
    {"POST", "/v1/reload", Access::operators, post_reload},
    {"POST", "/v1/proxy/upgrade", Access::operators, post_proxy_upgrade},
    {"POST", "/v1/upgrade", Access::operators, post_upgrade},
    {"POST", "/v1/shutdown", Access::operators, post_shutdown},
};

using Segments = std::vector<std::string>;

Segments split(std::string_view path) {
  Segments segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto end = std::min(path.size(), path.find('/'));
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

std::optional<std::map<std::string, std::string>> match(std::string_view pattern, const Segments& segments) {
  const auto wanted = split(pattern);
  if (wanted.size() != segments.size()) return std::nullopt;
  std::map<std::string, std::string> params;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (segments[i].empty()) return std::nullopt;
      params[wanted[i].substr(1, wanted[i].size() - 2)] = segments[i];
    } else if (wanted[i] != segments[i]) {
      return std::nullopt;
    }
  }
  return params;
}

Result<Segments> parse_target(Request& head) {
  const auto url = boost::urls::parse_origin_form(head.target);
  if (!url) return fail(ErrorKind::usage, "malformed request target");
  for (const auto& param : url->params()) {
    if (!head.query.emplace(param.key, param.value).second) {
      return fail(ErrorKind::usage, "query: " + param.key + ": given twice");
    }
  }
  Segments segments;
  for (const auto& segment : url->segments()) segments.push_back(segment);
  return segments;
}

Admission refuse(Response response) {
  Admission admission;
  admission.refusal = std::move(response);
  return admission;
}

Admission refuse(ErrorKind kind, std::string text, unsigned status = 0) {
  return refuse(problem(Error{kind, std::move(text)}, {}, status));
}

// The route for path and method; or the refusal that says which methods there are.
Admission find_route(Request& head, const Segments& segments) {
  std::string allow;
  for (const auto& route : kRoutes) {
    auto params = match(route.path, segments);
    if (!params) continue;
    if (route.method == head.method) {
      head.params = std::move(*params);
      Admission admission;
      admission.route = &route;
      return admission;
    }
    allow += (allow.empty() ? "" : ", ") + std::string(route.method);
  }
  if (allow.empty()) return refuse(ErrorKind::not_found, "no such path: " + head.target);
  auto refused = refuse(ErrorKind::usage, "method not allowed here: " + head.method, 405);
  refused.refusal->allow = allow;
  return refused;
}

std::optional<BusyView> in_the_way(Backend& backend, const std::string& app) {
  const StatusView status = backend.status();
  for (const auto& view : status.apps) {
    if (view.name != app || !view.deployment) continue;
    const auto& running = *view.deployment;
    return BusyView{running.id, running.kind, running.phase, running.requested_by, running.started_at};
  }
  return std::nullopt;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Admission admit(Request& head, const Policy& policy) {
  if (const auto refusal = refuse_foreign(head, policy)) {
    return refuse(problem(refusal->error, {}, refusal->status));
  }
  const auto segments = parse_target(head);
  if (!segments) return refuse(problem(segments.error()));
  const bool remote = head.peer.transport != Peer::Transport::unix_socket;
  if (remote && bears_token(head.authorization, policy.token_digest)) {
    head.peer.operator_rights = true;
    head.peer.who = "token";
  }
  // A wrong token is told so even where none is needed.
  if (remote && !head.peer.operator_rights && !head.authorization.empty()) {
    return refuse(ErrorKind::denied, "wrong token", 401);
  }
  Admission admission = find_route(head, *segments);
  if (!admission.route || admission.route->access == Access::everyone || head.peer.operator_rights) return admission;
  if (remote) return refuse(ErrorKind::denied, "this needs a token", 401);
  return refuse(ErrorKind::denied, head.peer.who + " is not an operator (root, fleetd's user or the socket's group)");
}

net::Task<Response> answer(Backend& backend, const Route& route, Request request) {
  const auto app = request.params.find("app");
  const std::string app_name = app == request.params.end() ? "" : app->second;
  auto result = co_await route.handler(backend, std::move(request));
  if (result) co_return std::move(*result);
  std::optional<BusyView> busy;
  if (result.error().kind == ErrorKind::busy) busy = in_the_way(backend, app_name);
  co_return problem(result.error(), busy);
}

}  // namespace fleet::api
