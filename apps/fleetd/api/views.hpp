// What the API shows and takes, as plain values: the JSON is these fields by these names. openapi.json describes the
// same, and a unit test holds the two together. fleetctl reads with the same types.
//
// Times are RFC 3339 in UTC with milliseconds ("2026-11-22T23:31:10.123Z"); a null says "not known" or "not yet".
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "core/names.hpp"
#include "core/result.hpp"

namespace fleet::api {

using DeploymentId = std::uint64_t;
using std::chrono::milliseconds;

// ---- deployments ---------------------------------------------------------------------------------------------------

enum class DeploymentKind : std::uint8_t { deploy, rollback, restart };
FLEET_NAMES(DeploymentKind, "deploy", "rollback", "restart")

// As fleet.toml's keys in [app.NAME.hooks], and as plan/hook.hpp's phases.
enum class Hook : std::uint8_t { pre_start, pre_switch, post_switch, pre_stop, on_failure };
FLEET_NAMES(Hook, "pre_start", "pre_switch", "post_switch", "pre_stop", "on_failure")

enum class HookState : std::uint8_t { starting, running, stopping, passed, failed };
FLEET_NAMES(HookState, "starting", "running", "stopping", "passed", "failed")

enum class DeploymentState : std::uint8_t { running, succeeded, failed, aborted };
FLEET_NAMES(DeploymentState, "running", "succeeded", "failed", "aborted")

enum class Phase : std::uint8_t {
  prepare, pre_start, warm, pre_switch, commit, post_switch, drain, pre_stop, retire, done, abort, on_failure,
};
FLEET_NAMES(Phase, "prepare", "pre_start", "warm", "pre_switch", "commit", "post_switch", "drain", "pre_stop", "retire",
            "done", "abort", "on_failure")

enum class Outcome : std::uint8_t {
  changed,          // the app runs what was asked for
  already_current,  // it did so before; nothing was done
  kept_old,         // failed or aborted before the switch; the old release never left
  rolled_back,      // switched, then switched back
  unchanged,        // if_changed: the source is as it was when it was last deployed from; nothing was done
};
FLEET_NAMES(Outcome, "changed", "already_current", "kept_old", "rolled_back", "unchanged")

struct PhaseTime {
  Phase phase = Phase::prepare;
  milliseconds ms{0};
  FLEET_FIELDS(PhaseTime, phase, ms)
};

enum class Step : std::uint8_t { download, verify, unpack };
FLEET_NAMES(Step, "download", "verify", "unpack")

// How far the fetch is. Bytes; total 0: unknown.
struct Progress {
  Step step = Step::download;
  std::uint64_t bytes = 0, total = 0;
  std::uint64_t rate = 0;                    // a second, of late; 0: not known yet
  std::optional<milliseconds> remaining_ms;  // of this step, at that rate
  FLEET_FIELDS(Progress, step, bytes, total, rate, remaining_ms)
};

// Why a deployment failed. log_tail: the candidate's last lines, oldest first.
struct Failure {
  ErrorKind kind = ErrorKind::internal;
  std::string text;
  std::optional<std::int32_t> exit_code, signal;  // of the candidate that ended; signal: its number
  std::vector<std::string> log_tail;
  FLEET_FIELDS(Failure, kind, text, exit_code, signal, log_tail)
};

// What the change cost: requests of this app from the start of the deployment to its end.
struct Receipt {
  std::uint64_t requests = 0;  // answered by the application, completely
  std::uint64_t failed = 0;    // answered by fleet's own 502, 503 or 504, or cut short
  std::uint64_t retried = 0, held = 0, client_aborted = 0;
  std::uint64_t cut = 0;  // still in flight at the drain deadline (counted in failed too)
  milliseconds longest_drain_ms{0};
  FLEET_FIELDS(Receipt, requests, failed, retried, held, client_aborted, cut, longest_drain_ms)
};

// One hook of a deployment. log_tail: its last lines, oldest first, once it is over.
struct HookView {
  Hook hook = Hook::pre_start;
  HookState state = HookState::starting;
  std::string id;  // whose log is its output (fleetctl logs)
  std::optional<std::int32_t> exit_code, signal;
  milliseconds took_ms{0};
  std::string error;  // why it failed
  std::vector<std::string> log_tail;
  FLEET_FIELDS(HookView, hook, state, id, exit_code, signal, took_ms, error, log_tail)
};

struct DeploymentView {
  DeploymentId id = 0;
  std::string app;
  DeploymentKind kind = DeploymentKind::deploy;
  std::string url;     // of the artifact, without user information and query
  std::string sha256;  // as asked for, then as found; lower-case hex or empty
  std::optional<std::uint64_t> release, previous_release;
  DeploymentState state = DeploymentState::running;
  Phase phase = Phase::prepare;
  std::optional<Outcome> outcome;  // null while running
  std::optional<Failure> error;
  std::string started_at;
  std::optional<std::string> finished_at;
  std::vector<PhaseTime> phases;     // those ended, in order
  std::optional<Progress> progress;  // while something is fetched
  std::optional<Receipt> receipt;    // once switched
  std::string requested_by;
  std::string version;    // by the build's manifest; empty: not told
  std::string signed_by;  // key id and trusted comment; empty: no signature was asked for
  std::uint32_t crashes = 0;  // of its instances, within the app's deploy.watch after the switch
  std::string unstable;       // they were too many; empty: they were not
  std::vector<HookView> hooks;  // those that were begun, in order
  FLEET_FIELDS(DeploymentView, id, app, kind, url, sha256, release, previous_release, state, phase, outcome, error,
               started_at, finished_at, phases, progress, receipt, requested_by, version, signed_by, crashes, unstable,
               hooks)
};

// ---- status --------------------------------------------------------------------------------------------------------

enum class WorkerState : std::uint8_t {
  starting,  // not yet accepting
  accepting,
  draining,  // finishes what it has; its successor accepts
  backoff,   // ended by itself; started again after a pause
};
FLEET_NAMES(WorkerState, "starting", "accepting", "draining", "backoff")

struct WorkerView {
  std::uint32_t slot = 0;
  std::uint32_t pid = 0;
  WorkerState state = WorkerState::starting;
  std::uint32_t connections = 0;
  std::string id;
  std::uint32_t restarts = 0;  // unasked for, of this slot
  std::string version = {};    // of its fleet-proxy; empty: not known yet
  FLEET_FIELDS(WorkerView, slot, pid, state, connections, id, restarts, version)
};

// As in plan/instance.hpp, by the same names.
enum class InstanceState : std::uint8_t {
  starting,
  warming,    // runs; not yet healthy
  warm,       // healthy; waits for the switch
  ready,      // takes requests
  unhealthy,  // runs, fails its health checks, takes no requests
  draining,   // takes no new requests, finishes those it has
  evicting,   // ended by itself; leaves rotation
  stopping,   // told to end
  backoff,    // ended by itself; started again after a pause
  gone,
};
FLEET_NAMES(InstanceState, "starting", "warming", "warm", "ready", "unhealthy", "draining", "evicting", "stopping",
            "backoff", "gone")

struct InstanceView {
  std::string id;
  std::uint64_t release = 0;
  InstanceState state = InstanceState::starting;
  std::uint32_t pid = 0;  // 0: none
  std::uint16_t port = 0;
  std::uint32_t in_flight = 0;
  std::uint32_t restarts = 0;
  std::string since;  // in this state
  std::string socket = {};  // the unix socket that it listens on, in place of the port; empty: none
  std::uint32_t crashes = 0;              // in a row
  bool crash_loop = false;                // those are many
  std::optional<std::string> next_start;  // in backoff
  std::string trouble = {};               // the last thing that went wrong with it
  std::string sha256 = {};                // of the build that it runs; empty: not known
  FLEET_FIELDS(InstanceView, id, release, state, pid, port, in_flight, restarts, since, socket, crashes,
               crash_loop, next_start, trouble, sha256)
};

enum class AppState : std::uint8_t {
  idle,      // nothing was deployed yet
  starting,  // a release is to run, none of its instances has been ready yet
  serving,   // all instances of the current release are ready
  degraded,  // some are
  down,      // none is
};
FLEET_NAMES(AppState, "idle", "starting", "serving", "degraded", "down")

struct AppView {
  std::string name;
  std::optional<std::uint64_t> release;
  std::string release_url;  // without user information and query
  AppState state = AppState::idle;
  std::vector<std::string> hosts;  // empty: any
  std::string path;
  std::uint32_t wanted = 0;                  // instances of the current release, as configured
  std::optional<DeploymentView> deployment;  // the one under way
  std::vector<InstanceView> instances;
  std::optional<std::string> held_until;  // its requests wait on purpose
  std::vector<std::string> awaits;        // apps that it is not started before
  std::string unstable;                   // what is to be said of the last deployment; empty: nothing
  std::string problem = {};               // why nothing of it can be started; empty: it can be
  std::string sha256 = {};                // of the current release's build; empty: not known
  FLEET_FIELDS(AppView, name, release, release_url, state, hosts, path, wanted, deployment, instances, held_until,
               awaits, unstable, problem, sha256)
};

enum class CertificateState : std::uint8_t {
  served,    // as its files are
  expiring,  // served, and to be renewed within days
  expired,   // served for want of a better one
  former,    // its files will not do; the last good version is served
  refused,   // its files will not do, and there was no good version
};
FLEET_NAMES(CertificateState, "served", "expiring", "expired", "former", "refused")

struct CertificateView {
  std::string file;  // as configured
  CertificateState state = CertificateState::served;
  std::vector<std::string> names;         // hosts; "*.example.com"
  std::string key, issuer;                // "ECDSA P-256"
  std::optional<std::string> expires_at;  // of the version that is served, with its chain
  std::string problem;                    // former, refused: what is wrong with the files
  std::vector<std::string> warnings;
  FLEET_FIELDS(CertificateView, file, state, names, key, issuer, expires_at, problem, warnings)
};

// Workers crashed again and again, and are started with what served before until there is something new.
struct FallbackView {
  std::string program;                      // in place of the one on disk; empty: that one
  std::optional<std::uint64_t> generation;  // of the table in place of the newest; null: that one
  std::string since, why;
  FLEET_FIELDS(FallbackView, program, generation, since, why)
};

enum class AlarmName : std::uint8_t {
  state_not_saved,  // nothing can be recorded, so deploys stand still; what runs serves on
};
FLEET_NAMES(AlarmName, "state_not_saved")

// Something that an operator is to mend, for all of fleet.
struct AlarmView {
  AlarmName name = AlarmName::state_not_saved;
  std::string since, why;
  FLEET_FIELDS(AlarmView, name, since, why)
};

struct StatusView {
  std::string version;
  std::uint64_t generation = 0;  // of the routing table in force
  std::uint32_t pid = 0;
  std::string started_at;
  std::vector<WorkerView> workers;
  std::vector<AppView> apps;
  std::vector<CertificateView> certificates;  // of [[tls]], in its order
  std::optional<FallbackView> fallback;
  std::string config = {};             // the configuration's file
  std::vector<AlarmView> alarms = {};  // those that are on
  bool config_changed = false;         // that file is not the one in force any more
  FLEET_FIELDS(StatusView, version, generation, pid, started_at, workers, apps, certificates, fallback, config, alarms,
               config_changed)
};

enum class ReleaseState : std::uint8_t {
  current,
  running,   // some of its instances still run
  previous,  // what a rollback goes back to
  kept,
  removed,   // its files are gone
};
FLEET_NAMES(ReleaseState, "current", "running", "previous", "kept", "removed")

struct ReleaseView {
  std::uint64_t release = 0;
  std::string url, sha256;
  std::uint64_t bytes = 0;  // unpacked, on disk
  std::string created_at;
  bool current = false;
  bool retained = false;  // its files are here, so it can be rolled back to
  std::string version, signed_by;  // as a deployment's
  ReleaseState state = ReleaseState::kept;
  bool pinned = false;  // it is removed only once it is not
  FLEET_FIELDS(ReleaseView, release, url, sha256, bytes, created_at, current, retained, version, signed_by, state, pinned)
};

struct ReleasesView {
  std::string app;
  std::vector<ReleaseView> releases;  // newest first
  FLEET_FIELDS(ReleasesView, app, releases)
};

struct GcItem {
  std::string app;
  std::optional<std::uint64_t> release;  // null: what a fetch that was killed has left
  std::uint64_t bytes = 0;               // given back on disk
  std::string why;
  FLEET_FIELDS(GcItem, app, release, bytes, why)
};

struct GcView {
  bool dry_run = false;
  std::vector<GcItem> removed;  // that would be, in a dry run
  std::uint64_t bytes = 0;      // of them together
  FLEET_FIELDS(GcView, dry_run, removed, bytes)
};

// ---- logs and events -----------------------------------------------------------------------------------------------

struct LogLine {
  std::string instance;  // empty: of the access log
  std::uint64_t release = 0;
  std::string text;  // one line without its end, as the application wrote it, or as it stands in the access log
  FLEET_FIELDS(LogLine, instance, release, text)
};

struct LogsView {
  std::vector<LogLine> lines;  // oldest first
  std::string cursor;          // opaque: where to read on (LogQuery::cursor)
  FLEET_FIELDS(LogsView, lines, cursor)
};

enum class EventType : std::uint8_t {
  deployment_started,
  deployment_phase,     // data: phase
  deployment_progress,  // data: step, bytes, total, rate, remaining_ms; only the newest is kept
  deployment_finished,  // data: outcome, error_kind; the last of its deployment
  instance_started,     // data: instance, release, pid, port
  instance_ready,
  instance_unhealthy,
  instance_exited,   // data: exit_code, signal
  instance_stopped,  // as asked
  hold_started,      // the app's requests wait
  hold_ended,        // they go on
  route_published,   // data: generation
  worker_started,    // data: slot, pid
  worker_exited,
  app_state,  // data: state
  config_reloaded,
  state_rebuilt,  // the record of what ran was lost
  certificate_refused,  // data: certificate
  certificate_renewed,
  certificate_expires,
  app_crash_loop,       // data: instance, release
  app_waits,            // for those it depends on, before it is started
  app_starts_anyway,
  deployment_unstable,  // data: release
  worker_fell_back,     // workers crash with what is new; data: generation
  daemon_upgraded,      // another build of fleetd has taken over
  daemon_fell_back,     // that build has ended soon after, and the one before is back
  alarm_raised,         // data: alarm
  alarm_cleared,
  hook_started,         // data: hook, instance (its id), release
  hook_finished,        // likewise; data: exit_code, signal
  gap,  // events before this one were dropped for this reader
};
FLEET_NAMES(EventType, "deployment.started", "deployment.phase", "deployment.progress", "deployment.finished",
            "instance.started", "instance.ready", "instance.unhealthy", "instance.exited", "instance.stopped",
            "hold.started", "hold.ended", "route.published", "worker.started", "worker.exited", "app.state",
            "config.reloaded", "state.rebuilt", "certificate.refused", "certificate.renewed", "certificate.expires",
            "app.crash_loop", "app.waits", "app.starts_anyway", "deployment.unstable", "worker.fell_back",
            "daemon.upgraded", "daemon.fell_back", "alarm.raised", "alarm.cleared", "hook.started", "hook.finished", "gap")

// The facts of an event; in JSON the null ones are left out.
struct EventData {
  std::optional<Phase> phase;
  std::optional<Step> step;
  std::optional<std::uint64_t> bytes, total;
  std::optional<Outcome> outcome;
  std::optional<ErrorKind> error_kind;
  std::optional<std::string> instance;
  std::optional<std::uint64_t> release;
  std::optional<std::uint32_t> pid, port, slot;
  std::optional<std::int32_t> exit_code, signal;
  std::optional<std::uint64_t> generation;
  std::optional<AppState> state;
  std::optional<std::string> certificate;  // its file
  std::optional<AlarmName> alarm;
  std::optional<Hook> hook;
  std::optional<std::uint64_t> rate;  // bytes a second
  std::optional<milliseconds> remaining_ms;
  FLEET_FIELDS(EventData, phase, step, bytes, total, outcome, error_kind, instance, release, pid, port, slot, exit_code,
               signal, generation, state, certificate, alarm, hook, rate, remaining_ms)
};

struct EventView {
  std::uint64_t seq = 0;  // ascending; deployment.progress and gap carry that of the event before them
  std::string time;
  std::optional<std::string> app;
  std::optional<DeploymentId> deployment;
  EventType type = EventType::app_state;
  std::string message;  // one line for people
  EventData data;
  FLEET_FIELDS(EventView, seq, time, app, deployment, type, message, data)
};

// Without follow: those there are.
struct EventsView {
  std::vector<EventView> events;
  FLEET_FIELDS(EventsView, events)
};

// ---- what a request would get --------------------------------------------------------------------------------------

struct RouteTarget {
  std::string instance;
  std::uint64_t release = 0;
  std::string state;  // as in the table: "ready", ...
  FLEET_FIELDS(RouteTarget, instance, release, state)
};

struct RouteView {
  std::string url, method;
  std::uint64_t generation = 0;         // of the table asked
  std::string app, host, path;          // whose it is, the name that matched (empty: any host), the path whose rules hold
  std::string seen_path;                // the request's path as rules see it
  std::optional<std::uint32_t> status;  // of fleet's own answer; null: the application answers
  std::string reason;                   // X-Fleet-Error of that answer
  std::string because, rule, location;  // the key that decided, the rewrite that did, where a redirect leads
  std::string target;                   // that the application gets
  std::vector<std::string> request_head, response_changes;
  std::vector<RouteTarget> targets;     // that may get it
  std::uint64_t max_body = 0;           // bytes; 0: unlimited
  milliseconds first_byte_timeout_ms{0}, idle_timeout_ms{0}, tunnel_timeout_ms{0};  // 0: as for all
  std::string waits;                    // "held", or "no-target": none takes it yet; empty: it is passed on at once
  milliseconds waits_ms{0};             // at most
  FLEET_FIELDS(RouteView, url, method, generation, app, host, path, seen_path, status, reason, because, rule, location,
               target, request_head, response_changes, targets, max_body, first_byte_timeout_ms, idle_timeout_ms,
               tunnel_timeout_ms, waits, waits_ms)
};

// ---- what a deploy would change ------------------------------------------------------------------------------------

// As text; empty: nothing, or not known.
struct PlannedChange {
  std::string what, was, will;  // what: "build", "command", "environment", "resources", "health", "hook pre_start", "assets", ...
  FLEET_FIELDS(PlannedChange, what, was, will)
};

struct PlanView {
  std::string app;
  std::optional<std::uint64_t> release;  // the current one
  std::string url;                       // of the build, without user information and query
  std::string sha256, format, version, signed_by;
  std::uint64_t bytes = 0;               // unpacked
  std::string route;                     // where it would be served, as the current one is
  std::uint32_t instances = 0;
  std::vector<PlannedChange> changes;    // empty: a deploy would change nothing
  FLEET_FIELDS(PlanView, app, release, url, sha256, format, version, signed_by, bytes, route, instances, changes)
};

// ---- requests and small answers ------------------------------------------------------------------------------------

struct DeployBody {
  std::string url;     // http, https, file, or an absolute path on fleetd's machine
  std::string sha256;  // hex; empty: not checked
  bool latest = false;  // the app's source, in place of a url
  bool force = false;   // also of a lower version than the current
  bool if_changed = false;  // not, if the source is as it was when it was last deployed from
  FLEET_FIELDS(DeployBody, url, sha256, latest, force, if_changed)
};

struct RollbackBody {
  std::optional<std::uint64_t> release;  // null: the one before the current
  FLEET_FIELDS(RollbackBody, release)
};

struct GcBody {
  std::optional<std::string> app;  // null: all
  bool dry_run = false;            // say what would go, and leave it
  FLEET_FIELDS(GcBody, app, dry_run)
};

struct HoldBody {
  milliseconds max_ms{30000};  // then requests go on by themselves; 1 s to 1 h
  FLEET_FIELDS(HoldBody, max_ms)
};

// From now on, in every worker.
struct HoldView {
  std::string app;
  std::optional<std::string> held_until;  // null: requests go on
  std::uint32_t in_flight = 0;            // those that came before and are not answered yet
  FLEET_FIELDS(HoldView, app, held_until, in_flight)
};

struct ShutdownBody {
  bool apps = false;  // stop workers and applications too; else they go on serving
  FLEET_FIELDS(ShutdownBody, apps)
};

struct UpgradeBody {
  std::string program;  // absolute path on fleetd's machine; empty: where the running one came from
  FLEET_FIELDS(UpgradeBody, program)
};

// 202: `program` was tried and takes over under the same pid; StatusView::started_at changes then.
struct UpgradeView {
  std::string from, to;  // versions
  std::string program;
  FLEET_FIELDS(UpgradeView, from, to, program)
};

// 202: under way.
struct AcceptedView {
  DeploymentId id = 0;
  FLEET_FIELDS(AcceptedView, id)
};

struct HealthView {
  std::string status = "ok";
  FLEET_FIELDS(HealthView, status)
};

// 200/202 where there is nothing else to say.
struct DoneView {
  std::string message;
  FLEET_FIELDS(DoneView, message)
};

// What is in the way.
struct BusyView {
  DeploymentId deployment = 0;
  DeploymentKind kind = DeploymentKind::deploy;
  Phase phase = Phase::prepare;
  std::string requested_by, since;
  FLEET_FIELDS(BusyView, deployment, kind, phase, requested_by, since)
};

// RFC 9457, application/problem+json.
struct Problem {
  std::string type, title;
  std::uint32_t status = 500;
  std::string detail;
  ErrorKind kind = ErrorKind::internal;
  std::optional<DeploymentId> deployment;  // busy: the one that runs
  std::optional<BusyView> busy;            // the same, in full
  FLEET_FIELDS(Problem, type, title, status, detail, kind, deployment, busy)
};

}  // namespace fleet::api
