#include "status_text.hpp"

#include <algorithm>

namespace fleet::ctl {

using api::AppState;
using api::AppView;
using api::InstanceState;
using api::InstanceView;
using api::StatusView;
using api::WorkerState;

namespace {

std::string version(const std::optional<std::uint64_t>& release) {
  return release ? "v" + std::to_string(*release) : "-";
}

std::string elapsed(const std::string& since, milliseconds now) {
  const auto began = parse_time(since);
  return began ? duration(now - *began) : "-";
}

Colour colour_of(AppState state) {
  switch (state) {
    case AppState::serving: return Colour::green;
    case AppState::starting:
    case AppState::degraded: return Colour::yellow;
    case AppState::down: return Colour::red;
    case AppState::idle: return Colour::dim;
  }
  return Colour::none;
}

Colour colour_of(InstanceState state) {
  switch (state) {
    case InstanceState::ready: return Colour::green;
    case InstanceState::unhealthy:
    case InstanceState::evicting:
    case InstanceState::backoff: return Colour::red;
    case InstanceState::starting:
    case InstanceState::warming:
    case InstanceState::warm:
    case InstanceState::draining:
    case InstanceState::stopping:
    case InstanceState::gone: return Colour::yellow;
  }
  return Colour::none;
}

bool is_current(const AppView& app, const InstanceView& instance) { return instance.release == app.release; }

std::string serves(const AppView& app) {
  std::string text;
  for (const auto& host : app.hosts) text += (text.empty() ? "" : ", ") + printable(host);
  if (text.empty()) text = "any host";
  return app.path == "/" ? text : text + " " + printable(app.path);
}

std::string headline(const StatusView& status, milliseconds now) {
  const auto accepting = std::ranges::count(status.workers, WorkerState::accepting, &api::WorkerView::state);
  std::uint64_t connections = 0, slots = 0;
  for (const auto& worker : status.workers) {
    connections += worker.connections;
    slots = std::max<std::uint64_t>(slots, worker.slot + 1);
  }
  return "fleetd " + printable(status.version) + ", up " + elapsed(status.started_at, now) + " · " +
         std::to_string(accepting) + " of " + count(slots, "worker") + " accepting, " +
         count(connections, "connection") + " · routes of generation " + std::to_string(status.generation) + "\n";
}

Row app_row(const AppView& app) {
  const auto ready = std::ranges::count_if(app.instances, [&](const InstanceView& instance) {
    return is_current(app, instance) && instance.state == InstanceState::ready;
  });
  std::uint64_t in_flight = 0, restarts = 0;
  for (const auto& instance : app.instances) {
    in_flight += instance.in_flight;
    restarts += instance.restarts;
  }
  return {printable(app.name),
          version(app.release),
          Cell(std::string(name(app.state)), colour_of(app.state)),
          std::to_string(ready) + "/" + std::to_string(app.wanted),
          in_flight,
          restarts,
          serves(app)};
}

std::string instances_table(const AppView& app, milliseconds now, const Style& style) {
  std::vector<Row> rows{{"INSTANCE", "RELEASE", "STATE", "FOR", "PID", "PORT", "IN FLIGHT", "RESTARTS"}};
  for (const auto& instance : app.instances) {
    Row row{printable(instance.id),
            version(instance.release),
            Cell(std::string(name(instance.state)), colour_of(instance.state)),
            elapsed(instance.since, now),
            std::to_string(instance.pid),
            instance.socket.empty() ? std::to_string(instance.port) : "unix",
            std::uint64_t{instance.in_flight},
            std::uint64_t{instance.restarts}};
    rows.push_back(std::move(row));
  }
  return table(rows, style.colour);
}

std::string build_line(const AppView& app) {
  if (!app.release || app.sha256.empty()) return "";
  return "\n" + version(app.release) + " is build " + printable(app.sha256) +
         (app.release_url.empty() ? "" : " from " + printable(app.release_url)) + "\n";
}

// How often it crashed, why, and when it is started again.
std::string crashes(const InstanceView& instance, milliseconds now, const Style& style) {
  std::string out;
  if (instance.crash_loop) {
    out += ", " + coloured("crash loop", Colour::red, style.colour) + ": " + std::to_string(instance.crashes) + " in a row";
  }
  if (instance.crashes != 0 && !instance.trouble.empty()) out += ", last: " + printable(instance.trouble);
  const auto start = instance.next_start ? parse_time(*instance.next_start) : std::nullopt;
  if (start) out += ", started again in " + duration(std::max(*start - now, milliseconds(0)));
  return out;
}

// What an operator would ask about: deployments under way, instances and workers that are not as they should be.
std::string notes(const AppView& app, milliseconds now, const Style& style) {
  std::string out;
  if (const auto& deployment = app.deployment) {
    out += app.name + ": " + std::string(name(deployment->kind)) + ", deployment " + std::to_string(deployment->id) +
           ", in " + std::string(name(deployment->phase)) + ", for " + elapsed(deployment->started_at, now) + ", by " +
           printable(deployment->requested_by) +
           (deployment->progress ? ": " + std::string(name(deployment->progress->step)) + " " + how_far(*deployment->progress) : "") +
           "\n";
  }
  if (const auto until = app.held_until ? parse_time(*app.held_until) : std::nullopt) {
    out += app.name + ": " + coloured("requests are held", Colour::yellow, style.colour) + " for " +
           duration(std::max(*until - now, milliseconds(0))) + " more at most · go on: fleetctl unhold --app " + app.name +
           "\n";
  }
  if (!app.awaits.empty()) {
    std::string others;
    for (const auto& other : app.awaits) others += (others.empty() ? "" : ", ") + printable(other);
    out += app.name + ": " + coloured("not started yet", Colour::yellow, style.colour) + ", waits for " + others + "\n";
  }
  if (!app.problem.empty()) {
    out += app.name + ": " + coloured("nothing of it can be started", Colour::red, style.colour) + ": " +
           printable(app.problem) + "\n";
  }
  if (!app.unstable.empty()) {
    out += app.name + ": " + coloured("unstable", Colour::red, style.colour) + ": " + printable(app.unstable) +
           " · go back: fleetctl rollback --app " + app.name + "\n";
  }
  for (const auto& instance : app.instances) {
    const bool expected = instance.state == InstanceState::ready || app.deployment || !is_current(app, instance);
    if (expected) continue;
    out += printable(instance.id) + ": " + coloured(name(instance.state), colour_of(instance.state), style.colour) +
           " for " + elapsed(instance.since, now) +
           (instance.restarts != 0 ? ", " + count(instance.restarts, "restart") : "") + crashes(instance, now, style) +
           " · look: fleetctl logs --app " + app.name + "\n";
  }
  return out;
}

std::string notes(const api::WorkerView& worker, const Style& style) {
  if (worker.state != WorkerState::backoff && worker.state != WorkerState::starting) return "";
  return "worker " + std::to_string(worker.slot) + ": " + coloured(name(worker.state), Colour::yellow, style.colour) +
         (worker.restarts != 0 ? ", " + count(worker.restarts, "restart") : "") + "\n";
}

std::string notes(const api::CertificateView& certificate, milliseconds now, const Style& style) {
  const auto line = [&](Colour colour, const std::string& more) {
    return "certificate " + coloured(name(certificate.state), colour, style.colour) + ": " + more + "\n";
  };
  const auto file = printable(certificate.file);
  const auto end = certificate.expires_at ? parse_time(*certificate.expires_at) : std::nullopt;
  switch (certificate.state) {
    case api::CertificateState::served: return "";
    case api::CertificateState::expiring: return line(Colour::yellow, file + ", in " + (end ? duration(*end - now) : "days"));
    case api::CertificateState::expired: return line(Colour::red, file + ", renew it");
    case api::CertificateState::former:
      return line(Colour::red, printable(certificate.problem) + " · its former version is served");
    case api::CertificateState::refused: return line(Colour::red, printable(certificate.problem));
  }
  return "";
}

std::string notes(const api::FallbackView& fallback, milliseconds now, const Style& style) {
  std::string what = printable(fallback.program);
  if (fallback.generation) what += (what.empty() ? "" : " and ") + ("the routes of generation " + std::to_string(*fallback.generation));
  return "proxy: " + coloured("fallen back", Colour::red, style.colour) + " to " + what + " " + elapsed(fallback.since, now) +
         " ago: " + printable(fallback.why) + " · try the new again: fleetctl proxy upgrade\n";
}

std::string what_is_wrong(api::AlarmName name) {
  switch (name) {
    case api::AlarmName::state_not_saved:
      return "fleetd cannot save its state, so deploys stand still; what runs serves on";
  }
  return std::string(fleet::name(name));
}

std::string notes(const api::AlarmView& alarm, milliseconds now, const Style& style) {
  return coloured("ALARM", Colour::red, style.colour) + " for " + elapsed(alarm.since, now) + ": " +
         what_is_wrong(alarm.name) + ": " + printable(alarm.why) + "\n";
}

}  // namespace

std::string status_text(const StatusView& status, const std::optional<std::string>& only, milliseconds now,
                        const Style& style) {
  std::string out, below;
  for (const auto& alarm : status.alarms) out += notes(alarm, now, style);
  out += headline(status, now);
  std::vector<Row> rows{{"APP", "RELEASE", "STATE", "READY", "IN FLIGHT", "RESTARTS", "SERVES"}};
  for (const auto& app : status.apps) {
    if (only && app.name != *only) continue;
    rows.push_back(app_row(app));
    if (only) below += build_line(app);
    if (only && !app.instances.empty()) below += "\n" + instances_table(app, now, style);
    below += notes(app, now, style);
  }
  if (status.config_changed) {
    below += printable(status.config) + ": " + coloured("changed", Colour::yellow, style.colour) +
             " since it was loaded, not in force · look: fleetctl config check · take it: fleetctl reload\n";
  }
  for (const auto& worker : status.workers) below += notes(worker, style);
  if (status.fallback) below += notes(*status.fallback, now, style);
  for (const auto& certificate : status.certificates) below += notes(certificate, now, style);
  if (rows.size() == 1) return out + "no apps are configured\n" + below;
  return out + "\n" + table(rows, style.colour) + (below.empty() || below.starts_with('\n') ? "" : "\n") + below;
}

std::string hold_text(const api::HoldView& hold, milliseconds now) {
  const auto until = hold.held_until ? parse_time(*hold.held_until) : std::nullopt;
  if (!until) return "requests of " + printable(hold.app) + " go on";
  return "requests of " + printable(hold.app) + " are held, for " + duration(std::max(*until - now, milliseconds(0))) +
         " at most; " + count(hold.in_flight, "earlier one") + " in flight";
}

std::string releases_text(const api::ReleasesView& releases, milliseconds now, const Style& style) {
  if (releases.releases.empty()) return releases.app + " has no releases yet\n";
  std::vector<Row> rows{{"RELEASE", "STATE", "AGE", "SIZE", "VERSION", "SHA-256", "FROM"}};
  for (const auto& release : releases.releases) {
    const bool removed = release.state == api::ReleaseState::removed;
    const Colour colour = release.current ? Colour::green : removed ? Colour::dim : Colour::none;
    rows.push_back({Cell(version(release.release), colour),
                    Cell(std::string(name(release.state)) + (release.pinned ? ", pinned" : ""), colour),
                    elapsed(release.created_at, now), byte_count(release.bytes),
                    release.version.empty() ? "-" : printable(release.version), release.sha256.substr(0, 12),
                    printable(release.url)});
  }
  return table(rows, style.colour);
}

std::string pin_text(const api::ReleaseView& release) {
  return version(release.release) + (release.pinned ? " is kept until it is unpinned" : " goes once it need not be kept");
}

std::string gc_text(const api::GcView& removed, const Style& style) {
  if (removed.removed.empty()) return "nothing to remove\n";
  std::vector<Row> rows{{"APP", "RELEASE", "GIVES BACK", "WHY"}};
  for (const auto& one : removed.removed) {
    rows.push_back({printable(one.app), version(one.release), byte_count(one.bytes), printable(one.why)});
  }
  return table(rows, style.colour) +
         (removed.dry_run ? "nothing is removed; without --dry-run " + byte_count(removed.bytes) + " are given back\n"
                          : byte_count(removed.bytes) + " are given back\n");
}

}  // namespace fleet::ctl
