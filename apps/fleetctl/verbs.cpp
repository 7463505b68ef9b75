#include "verbs.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "ask.hpp"
#include "doctor.hpp"
#include "follow.hpp"
#include "os/fd.hpp"
#include "plan_text.hpp"
#include "route_text.hpp"
#include "status_text.hpp"
#include "upgrade.hpp"

namespace fleet::ctl {
namespace {

using Outcome = net::Task<Result<Exit>>;

constexpr std::chrono::seconds kWatch{1};

milliseconds now() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
}

// The app asked for, or the only one there is.
net::Task<Result<std::string>> chosen_app(Session& session) {
  if (session.options.app) co_return *session.options.app;
  auto status = co_await ask_for<api::StatusView>(session.client, "GET", "/v1/status");
  if (!status) co_return std::unexpected(status.error());
  if (status->apps.size() == 1) co_return status->apps.front().name;
  if (status->apps.empty()) co_return fail(ErrorKind::usage, "no apps are configured");
  std::string names;
  for (const auto& app : status->apps) names += (names.empty() ? "" : ", ") + app.name;
  co_return fail(ErrorKind::usage, "which app? --app with one of: " + names);
}

net::Task<Result<std::string>> app_path(Session& session, std::string what) {
  auto app = co_await chosen_app(session);
  if (!app) co_return std::unexpected(app.error());
  co_return "/v1/apps/" + percent_encoded(*app) + what;
}

// Prints an answer as JSON, or as `text` makes of it.
template <class View, class Text>
Outcome show(Session& session, std::string target, Text text) {
  auto reply = co_await ask(session.client, "GET", std::move(target));
  if (!reply) co_return std::unexpected(reply.error());
  if (session.options.json) {
    session.terminal.data(reply->body);
    co_return Exit::done;
  }
  auto view = value_of<View>(*reply);
  if (!view) co_return std::unexpected(view.error());
  session.terminal.data(text(*view));
  co_return Exit::done;
}

// ---- changes -------------------------------------------------------------------------------------------------------

Outcome wait_for(Session& session, std::string app, api::DeploymentId id) {
  session.waits_for = Session::Waiting{std::move(app), id};
  auto exit = co_await follow_deployment(session, id);
  co_return exit;
}

Outcome change(Session& session, std::string what, std::string body) {
  auto app = co_await chosen_app(session);
  if (!app) co_return std::unexpected(app.error());
  std::string path = "/v1/apps/" + percent_encoded(*app) + what;
  session.asked = true;
  auto accepted = co_await ask_for<api::AcceptedView>(session.client, "POST", std::move(path), std::move(body));
  session.asked = false;
  if (!accepted) co_return std::unexpected(accepted.error());
  if (session.options.wait) {
    auto exit = co_await wait_for(session, *app, accepted->id);
    co_return exit;
  }
  if (session.options.json) {
    session.terminal.line(json::write(*accepted).dump());
  } else {
    session.terminal.line(how_to_follow("under way", *app, accepted->id));
  }
  co_return Exit::done;
}

std::string deploy_body(const Options& options) {
  api::DeployBody body;
  body.url = options.build;
  body.sha256 = options.sha256;
  body.latest = options.latest;
  body.force = options.force;
  body.if_changed = options.if_changed;
  return json::write(body).dump();
}

Outcome deploy(Session& session) { return change(session, "/deployments", deploy_body(session.options)); }

Outcome plan(Session& session) {
  auto path = co_await app_path(session, "/plan");
  if (!path) co_return std::unexpected(path.error());
  session.client.wait_for_answers(session.options.timeout);
  auto reply = co_await ask(session.client, "POST", std::move(*path), deploy_body(session.options));
  if (!reply) co_return std::unexpected(reply.error());
  auto view = value_of<api::PlanView>(*reply);
  if (!view) co_return std::unexpected(view.error());
  session.terminal.data(session.options.json ? reply->body : plan_text(*view, session.terminal.data_style()));
  co_return view->changes.empty() ? Exit::done : Exit::would_change;
}

Outcome rollback(Session& session) {
  api::RollbackBody body;
  body.release = session.options.number;
  return change(session, "/rollback", json::write(body).dump());
}

Outcome restart(Session& session) { return change(session, "/restart", ""); }

Outcome change_hold(Session& session, std::string what, std::string body) {
  auto path = co_await app_path(session, std::move(what));
  if (!path) co_return std::unexpected(path.error());
  auto held = co_await ask_for<api::HoldView>(session.client, "POST", std::move(*path), std::move(body));
  if (!held) co_return std::unexpected(held.error());
  session.terminal.line(session.options.json ? json::write(*held).dump() : hold_text(*held, now()));
  co_return Exit::done;
}

Outcome hold(Session& session) {
  api::HoldBody body;
  body.max_ms = session.options.max;
  return change_hold(session, "/hold", json::write(body).dump());
}

Outcome unhold(Session& session) { return change_hold(session, "/unhold", ""); }

// The deployment asked for, or the running one of the app.
net::Task<Result<Session::Waiting>> chosen_deployment(Session& session) {
  Session::Waiting chosen;
  if (session.options.number) {
    auto view = co_await ask_for<api::DeploymentView>(session.client, "GET",
                                                      "/v1/deployments/" + std::to_string(*session.options.number));
    if (!view) co_return std::unexpected(view.error());
    chosen.app = view->app;
    chosen.id = view->id;
    co_return chosen;
  }
  auto status = co_await ask_for<api::StatusView>(session.client, "GET", "/v1/status");
  if (!status) co_return std::unexpected(status.error());
  for (const auto& app : status->apps) {
    if (!app.deployment || (session.options.app && app.name != *session.options.app)) continue;
    if (chosen.id != 0) co_return fail(ErrorKind::usage, "more than one deployment runs: name one, or --app");
    chosen.app = app.name;
    chosen.id = app.deployment->id;
  }
  if (chosen.id == 0) co_return fail(ErrorKind::usage, "no deployment runs");
  co_return chosen;
}

Outcome abort(Session& session) {
  auto chosen = co_await chosen_deployment(session);
  if (!chosen) co_return std::unexpected(chosen.error());
  const std::string number = std::to_string(chosen->id);
  auto done = co_await ask_for<api::DoneView>(session.client, "POST", "/v1/deployments/" + number + "/abort");
  if (!done) co_return std::unexpected(done.error());
  if (session.options.json) {
    session.terminal.line(json::write(*done).dump());
  } else {
    session.terminal.line("deployment " + number + " of " + chosen->app + " is being aborted");
  }
  co_return Exit::done;
}

Outcome follow(Session& session) {
  auto chosen = co_await chosen_deployment(session);
  if (!chosen) co_return std::unexpected(chosen.error());
  auto exit = co_await wait_for(session, chosen->app, chosen->id);
  co_return exit;
}

// ---- questions -----------------------------------------------------------------------------------------------------

Outcome status_once(Session& session) {
  const auto& app = session.options.app;
  const auto text = [&](const api::StatusView& view) {
    return status_text(view, app, now(), session.terminal.data_style());
  };
  auto reply = co_await ask(session.client, "GET", "/v1/status");
  if (!reply) co_return std::unexpected(reply.error());
  auto view = value_of<api::StatusView>(*reply);
  if (!view) co_return std::unexpected(view.error());
  const bool known = !app || std::ranges::any_of(view->apps, [&](const auto& one) { return one.name == *app; });
  if (!known) co_return fail(ErrorKind::not_found, "no such app: " + *app);
  if (session.options.watch) session.terminal.clear();
  session.terminal.data(session.options.json ? reply->body : text(*view));
  co_return Exit::done;
}

Outcome status(Session& session) {
  for (;;) {
    auto exit = co_await status_once(session);
    if (!session.options.watch) co_return exit;
    if (!exit && exit.error().kind != ErrorKind::unreachable) co_return exit;
    if (!exit) session.terminal.say(exit.error().text);
    net::Timer pause(session.client.context(), kWatch);
    co_await pause.async_wait(net::use_result);
  }
}

Outcome releases(Session& session) {
  auto path = co_await app_path(session, "/releases");
  if (!path) co_return std::unexpected(path.error());
  const auto text = [&](const api::ReleasesView& view) {
    return releases_text(view, now(), session.terminal.data_style());
  };
  auto exit = co_await show<api::ReleasesView>(session, std::move(*path), text);
  co_return exit;
}

Outcome set_pin(Session& session, std::string what) {
  const std::string number = std::to_string(session.options.number.value_or(0));
  auto path = co_await app_path(session, "/releases/" + number + "/" + what);
  if (!path) co_return std::unexpected(path.error());
  auto release = co_await ask_for<api::ReleaseView>(session.client, "POST", std::move(*path));
  if (!release) co_return std::unexpected(release.error());
  session.terminal.line(session.options.json ? json::write(*release).dump() : pin_text(*release));
  co_return Exit::done;
}

Outcome gc(Session& session) {
  api::GcBody body;
  body.app = session.options.app;
  body.dry_run = session.options.dry_run;
  auto view = co_await ask_for<api::GcView>(session.client, "POST", "/v1/gc", json::write(body).dump());
  if (!view) co_return std::unexpected(view.error());
  if (session.options.json) session.terminal.line(json::write(*view).dump());
  else session.terminal.data(gc_text(*view, session.terminal.data_style()));
  co_return Exit::done;
}

// A stream, one line of text for each value.
template <class View, class Text>
Outcome stream(Session& session, std::string target, Text text) {
  const std::function<void(const std::string&)> each = [&](const std::string& line) {
    View view;
    const auto document = json::Json::parse(line, nullptr, false);
    if (session.options.json) return session.terminal.line(line);
    if (!document.is_discarded() && json::read(document, view)) session.terminal.line(text(view));
  };
  auto reply = co_await session.client.follow(std::move(target), each);
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->status != 200) co_return std::unexpected(error_of(*reply));
  co_return Exit::done;
}

Outcome logs(Session& session) {
  auto path = co_await app_path(session, "/logs?lines=" + std::to_string(session.options.lines));
  if (!path) co_return std::unexpected(path.error());
  if (session.options.release) *path += "&release=" + std::to_string(*session.options.release);
  if (session.options.access) *path += "&access=true";
  const auto line = [&](const api::LogLine& one) { return log_line(one, session.terminal.data_style()); };
  if (session.options.follow) {
    auto exit = co_await stream<api::LogLine>(session, *path + "&follow=true", line);
    co_return exit;
  }
  const auto text = [&](const api::LogsView& view) {
    std::string all;
    for (const auto& one : view.lines) all += line(one) + "\n";
    return all;
  };
  auto exit = co_await show<api::LogsView>(session, std::move(*path), text);
  co_return exit;
}

Outcome events(Session& session) {
  std::string target = session.options.follow ? "/v1/events?follow=true" : "/v1/events?follow=false";
  if (session.options.since) target += "&since=" + std::to_string(*session.options.since);
  if (session.options.app) target += "&app=" + percent_encoded(*session.options.app);
  const auto line = [&](const api::EventView& one) { return event_line(one, session.terminal.data_style()); };
  if (session.options.follow) {
    auto exit = co_await stream<api::EventView>(session, std::move(target), line);
    co_return exit;
  }
  const auto text = [&](const api::EventsView& view) {
    std::string all;
    for (const auto& one : view.events) all += line(one) + "\n";
    return all;
  };
  auto exit = co_await show<api::EventsView>(session, std::move(target), text);
  co_return exit;
}

Outcome route_check(Session& session) {
  const auto& options = session.options;
  std::string headers;
  for (const auto& header : options.headers) headers += (headers.empty() ? "" : "\n") + header;
  const std::string target = "/v1/route?url=" + percent_encoded(options.asked_url) + "&method=" + percent_encoded(options.method) +
                             "&from=" + percent_encoded(options.from) + "&headers=" + percent_encoded(headers);
  auto reply = co_await ask(session.client, "GET", target);
  if (!reply) co_return std::unexpected(reply.error());
  auto view = value_of<api::RouteView>(*reply);
  if (!view) co_return std::unexpected(view.error());
  session.terminal.data(options.json ? reply->body : route_text(*view, session.terminal.data_style()));
  co_return is_taken(*view) ? Exit::done : Exit::usage;
}

// ---- the daemon ----------------------------------------------------------------------------------------------------

Outcome reload(Session& session) {
  auto done = co_await ask_for<api::DoneView>(session.client, "POST", "/v1/reload");
  if (!done) co_return std::unexpected(done.error());
  session.terminal.line(session.options.json ? json::write(*done).dump() : printable(done->message));
  co_return Exit::done;
}

Outcome proxy_upgrade(Session& session) {
  auto done = co_await ask_for<api::DoneView>(session.client, "POST", "/v1/proxy/upgrade");
  if (!done) co_return std::unexpected(done.error());
  session.terminal.line(session.options.json ? json::write(*done).dump() : printable(done->message));
  co_return Exit::done;
}

// Until the process has ended; where its end cannot be seen, until nobody answers.
net::Task<> wait_for_end(Session& session, os::Fd pidfd) {
  if (pidfd) {
    net::asio::posix::basic_stream_descriptor<net::Executor> process(session.client.context(), pidfd.release());
    co_await process.async_wait(net::asio::posix::descriptor_base::wait_read, net::use_result);
    co_return;
  }
  for (;;) {
    auto alive = co_await session.client.call("GET", "/healthz");
    if (!alive) co_return;
    net::Timer pause(session.client.context(), milliseconds(100));
    co_await pause.async_wait(net::use_result);
  }
}

Outcome shutdown(Session& session) {
  auto status = co_await ask_for<api::StatusView>(session.client, "GET", "/v1/status");
  if (!status) co_return std::unexpected(status.error());
  const bool local = !session.client.address().socket.empty() && status->pid != 0;
  os::Fd pidfd(local ? static_cast<int>(::syscall(SYS_pidfd_open, status->pid, 0)) : -1);
  api::ShutdownBody body;
  body.apps = session.options.apps;
  auto done = co_await ask_for<api::DoneView>(session.client, "POST", "/v1/shutdown", json::write(body).dump());
  if (!done) co_return std::unexpected(done.error());
  co_await wait_for_end(session, std::move(pidfd));
  const std::string told = body.apps ? "fleetd has ended, the proxy and all applications are stopped"
                                     : "fleetd has ended; the proxy and all applications go on serving";
  session.terminal.line(session.options.json ? json::write(*done).dump() : told);
  co_return Exit::done;
}

Outcome ask_verb(Session& session) {
  switch (session.options.verb) {
    case Verb::deploy: return deploy(session);
    case Verb::plan: return plan(session);
    case Verb::status: return status(session);
    case Verb::releases: return releases(session);
    case Verb::pin: return set_pin(session, "pin");
    case Verb::unpin: return set_pin(session, "unpin");
    case Verb::gc: return gc(session);
    case Verb::rollback: return rollback(session);
    case Verb::restart: return restart(session);
    case Verb::abort: return abort(session);
    case Verb::follow: return follow(session);
    case Verb::hold: return hold(session);
    case Verb::unhold: return unhold(session);
    case Verb::logs: return logs(session);
    case Verb::events: return events(session);
    case Verb::route_check: return route_check(session);
    case Verb::reload: return reload(session);
    case Verb::proxy_upgrade: return proxy_upgrade(session);
    case Verb::upgrade: return upgrade(session);
    case Verb::shutdown: return shutdown(session);
    case Verb::doctor: return examine(session);
    case Verb::config_check: break;  // needs no fleetd
  }
  return {};
}

}  // namespace

net::Task<Exit> run_verb(Session& session) {
  auto exit = co_await ask_verb(session);
  if (exit) co_return *exit;
  const Error& error = exit.error();
  const Exit code = exit_for(error.kind);
  session.terminal.say("fleetctl: " + printable(error.text));
  if (error.kind == ErrorKind::unreachable && !session.options.url.empty()) co_return code;
  if (error.kind == ErrorKind::unreachable) session.terminal.say("is fleetd running? its socket is chosen by --socket");
  co_return code;
}

}  // namespace fleet::ctl
