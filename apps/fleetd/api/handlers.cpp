#include "api/handlers.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "api/public_url.hpp"
#include "api/sources.hpp"

namespace fleet::api {
namespace {

constexpr std::size_t kMaxUrl = 8192;
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxEvents = 1000;
constexpr milliseconds kShortestHold{1000}, kLongestHold{3600000};
constexpr std::uint64_t kMaxLines = 10000, kUsualLines = 100;

using Reply = net::Task<Result<Response>>;

Result<DeployRequest> checked(DeployBody body, const Peer& peer) {
  const auto wrong = [](std::string text) { return fail(ErrorKind::usage, "request body: " + std::move(text)); };
  if (body.url.empty() && !body.latest) return wrong("url: missing");
  if (!body.url.empty() && body.latest) return wrong("url: not together with latest");
  if (body.url.size() > kMaxUrl) return wrong("url: longer than " + std::to_string(kMaxUrl) + " bytes");
  if (std::ranges::any_of(body.url, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return wrong("url: has control characters");
  }
  std::ranges::transform(body.sha256, body.sha256.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool hex = std::ranges::all_of(body.sha256, [](unsigned char c) { return std::isxdigit(c); });
  if (!body.sha256.empty() && (body.sha256.size() != 64 || !hex)) return wrong("sha256: not 64 hex digits");
  return DeployRequest{std::move(body.url), std::move(body.sha256), peer.who, body.if_changed, body.latest,
                       body.force, peer.transport != Peer::Transport::unix_socket};
}

Response accepted(DeploymentId id) { return answer_with(AcceptedView{id}, 202); }

// The number in the path; `what` it is of.
Result<std::uint64_t> number_in_path(const Request& request, const char* param, const char* what) {
  const std::string& text = request.params.at(param);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return fail(ErrorKind::not_found, std::string("no such ") + what + ": " + text);
}

Result<DeploymentId> deployment_id(const Request& request) { return number_in_path(request, "id", "deployment"); }

void strip(DeploymentView& deployment) { deployment.url = public_url(std::move(deployment.url)); }

bool wants_sse(const Request& request) { return request.accept.find("text/event-stream") != std::string::npos; }

Response stream(const Request& request, std::shared_ptr<Source> source) {
  Response response;
  response.content_type = wants_sse(request) ? "text/event-stream" : "application/x-ndjson";
  response.source = std::move(source);
  return response;
}

// Where to go on from: ?since, else the id that an EventSource sends when it reconnects.
Result<std::optional<std::uint64_t>> since(Request request) {
  if (!request.query.contains("since") && !request.last_event_id.empty()) {
    request.query["since"] = request.last_event_id;
  }
  return request.number("since");
}

}  // namespace

Reply get_health(Backend& backend, Request) {
  if (!backend.is_ready()) co_return fail(ErrorKind::unreachable, "fleetd is starting: not all that is to run does yet");
  co_return answer_with(HealthView{});
}

Reply get_status(Backend& backend, Request) {
  StatusView status = backend.status();
  for (auto& app : status.apps) {
    app.release_url = public_url(std::move(app.release_url));
    if (app.deployment) strip(*app.deployment);
  }
  co_return answer_with(status);
}

Reply get_metrics(Backend& backend, Request request) {
  const bool open = request.accept.find("application/openmetrics-text") != std::string::npos;
  Response response;
  response.content_type = open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                               : "text/plain; version=0.0.4; charset=utf-8";
  response.body = co_await backend.metrics(open ? MetricsFormat::openmetrics : MetricsFormat::prometheus);
  co_return response;
}

Reply get_route(Backend& backend, Request request) {
  RouteQuery asked;
  asked.url = request.query["url"];
  if (asked.url.empty()) co_return fail(ErrorKind::usage, "query: url: missing");
  if (request.query.contains("method")) asked.method = request.query["method"];
  if (request.query.contains("from")) asked.from = request.query["from"];
  asked.headers = request.query["headers"];
  CO_TRY(const RouteView view, backend.route(asked));
  co_return answer_with(view);
}

Reply post_deployment(Backend& backend, Request request) {
  CO_TRY(DeployBody body, body_as<DeployBody>(request));
  CO_TRY(DeployRequest wanted, checked(std::move(body), request.peer));
  CO_TRY(const DeploymentId id, backend.deploy(request.params["app"], std::move(wanted)));
  co_return accepted(id);
}

Reply post_plan(Backend& backend, Request request) {
  CO_TRY(DeployBody body, body_as<DeployBody>(request));
  CO_TRY(DeployRequest wanted, checked(std::move(body), request.peer));
  if (wanted.if_changed) co_return fail(ErrorKind::usage, "request body: if_changed: not for a plan");
  auto planned = co_await backend.plan(request.params["app"], std::move(wanted));
  if (!planned) co_return std::unexpected(planned.error());
  co_return answer_with(*planned);
}

Reply post_rollback(Backend& backend, Request request) {
  CO_TRY(const RollbackBody body, body_as<RollbackBody>(request));
  CO_TRY(const DeploymentId id, backend.rollback(request.params["app"], body.release, request.peer.who));
  co_return accepted(id);
}

Reply post_restart(Backend& backend, Request request) {
  CO_TRY(const DeploymentId id, backend.restart(request.params["app"], request.peer.who));
  co_return accepted(id);
}

Reply post_hold(Backend& backend, Request request) {
  CO_TRY(const HoldBody body, body_as<HoldBody>(request));
  if (body.max_ms < kShortestHold || body.max_ms > kLongestHold) {
    co_return fail(ErrorKind::usage, "request body: max_ms: not between 1000 and 3600000");
  }
  auto held = co_await backend.hold(request.params["app"], body.max_ms, request.peer.who);
  if (!held) co_return std::unexpected(held.error());
  co_return answer_with(*held);
}

Reply post_unhold(Backend& backend, Request request) {
  auto released = co_await backend.unhold(request.params["app"], request.peer.who);
  if (!released) co_return std::unexpected(released.error());
  co_return answer_with(*released);
}

Reply get_releases(Backend& backend, Request request) {
  CO_TRY(ReleasesView releases, backend.releases(request.params["app"]));
  for (auto& release : releases.releases) release.url = public_url(std::move(release.url));
  co_return answer_with(releases);
}

Reply set_pin(Backend& backend, Request request, bool pinned) {
  CO_TRY(const auto release, number_in_path(request, "release", "release"));
  CO_TRY(auto view, backend.pin(request.params["app"], release, pinned, request.peer.who));
  view.url = public_url(std::move(view.url));
  co_return answer_with(view);
}

Reply post_pin(Backend& backend, Request request) { return set_pin(backend, std::move(request), true); }
Reply post_unpin(Backend& backend, Request request) { return set_pin(backend, std::move(request), false); }

Reply post_gc(Backend& backend, Request request) {
  CO_TRY(const GcBody body, body_as<GcBody>(request));
  CO_TRY(const GcView view, backend.collect(body.app, body.dry_run));
  co_return answer_with(view);
}

Reply get_logs(Backend& backend, Request request) {
  LogQuery query;
  CO_TRY(query.release, request.number("release"));
  CO_TRY(const auto lines, request.number("lines"));
  CO_TRY(const bool follow, request.flag("follow"));
  CO_TRY(query.access, request.flag("access"));
  if (query.access && query.release) co_return fail(ErrorKind::usage, "query: release: an access log is of all releases");
  query.cursor = request.query["cursor"];
  query.lines = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(lines.value_or(kUsualLines), 1, kMaxLines));
  const std::string app = request.params["app"];
  CO_TRY(LogsView logs, backend.logs(app, query));
  if (!follow) co_return answer_with(logs);
  co_return stream(request, follow_logs(backend, app, query, std::move(logs), wants_sse(request)));
}

Reply get_deployment(Backend& backend, Request request) {
  CO_TRY(const DeploymentId id, deployment_id(request));
  CO_TRY(DeploymentView deployment, backend.deployment(id));
  strip(deployment);
  co_return answer_with(deployment);
}

Reply get_deployment_events(Backend& backend, Request request) {
  CO_TRY(const DeploymentId id, deployment_id(request));
  CO_TRYV(backend.deployment(id));
  CO_TRY(const auto after, since(request));
  EventFilter filter;
  filter.since = after.value_or(0);
  filter.deployment = id;
  co_return stream(request, follow_events(backend, std::move(filter), wants_sse(request)));
}

Reply post_abort(Backend& backend, Request request) {
  CO_TRY(const DeploymentId id, deployment_id(request));
  CO_TRYV(backend.abort(id, request.peer.who));
  co_return answer_with(DoneView{"aborting"}, 202);
}

Reply get_events(Backend& backend, Request request) {
  CO_TRY(const auto after, since(request));
  CO_TRY(const bool follow, request.flag("follow"));
  EventFilter filter;
  if (const auto app = request.query.find("app"); app != request.query.end()) filter.app = app->second;
  filter.since = after.value_or(follow ? backend.events().last_seq() : 0);
  if (follow) co_return stream(request, follow_events(backend, std::move(filter), wants_sse(request)));
  Response response;
  json::Json list = json::Json::array();
  for (const auto& event : backend.events().kept(filter, kMaxEvents)) list.push_back(event_json(event));
  json::Json document;
  document["events"] = std::move(list);
  response.body = text_of(document) + "\n";
  co_return response;
}

Reply post_reload(Backend& backend, Request) {
  auto result = co_await backend.reload();
  CO_TRYV(std::move(result));
  std::string message = "configuration reloaded";
  for (const auto& certificate : backend.status().certificates) {
    if (!certificate.problem.empty()) message += "; certificate " + std::string(name(certificate.state)) + ": " + certificate.problem;
  }
  co_return answer_with(DoneView{std::move(message)});
}

Reply post_proxy_upgrade(Backend& backend, Request) {
  const auto count = co_await backend.upgrade_proxy();
  if (!count) co_return std::unexpected(count.error());
  co_return answer_with(DoneView{std::to_string(*count) + (*count == 1 ? " new proxy worker accepts" : " new proxy workers accept")});
}

Reply post_upgrade(Backend& backend, Request request) {
  CO_TRY(UpgradeBody body, body_as<UpgradeBody>(request));
  if (body.program.size() > kMaxPath) co_return fail(ErrorKind::usage, "request body: program: too long");
  const auto accepted = co_await backend.upgrade(std::move(body.program), request.peer.who);
  if (!accepted) co_return std::unexpected(accepted.error());
  Response response = answer_with(*accepted, 202);
  response.afterwards = [&backend] { backend.take_over(); };
  co_return response;
}

Reply post_shutdown(Backend& backend, Request request) {
  CO_TRY(const ShutdownBody body, body_as<ShutdownBody>(request));
  Response response = answer_with(DoneView{body.apps ? "stopping everything" : "ending; all goes on serving"}, 202);
  response.afterwards = [&backend, stop_apps = body.apps] { backend.shutdown(stop_apps); };
  co_return response;
}

}  // namespace fleet::api
