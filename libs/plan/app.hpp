// What happens next to one application: step(state, event, now) -> {state, actions, wake_at}. Pure: no clock, no I/O.
//
// The caller saves the state before it performs the actions. Whatever it was doing when it died, it comes back with
// Recovered, and the same machine finishes or undoes what was under way.
//
// Time is the caller's monotonic clock in milliseconds, which must not run while the caller cannot listen (stopped,
// or not running), so that no deadline passes for want of a listener.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/config.hpp"
#include "core/fields.hpp"
#include "core/result.hpp"
#include "core/routes.hpp"
#include "plan/instance.hpp"
#include "plan/rollout.hpp"

namespace fleet::plan {

// The switch that crashes count against for a while.
struct Watch {
  std::uint64_t deployment = 0;  // 0: none
  RolloutKind kind = RolloutKind::deploy;
  std::uint64_t release = 0, previous = 0;
  milliseconds until{0};
  std::uint32_t crashes = 0;
  std::string unstable;          // what is to be said of it; empty: nothing
  bool rollback_due = false;     // and not begun yet
  FLEET_FIELDS(Watch, deployment, kind, release, previous, until, crashes, unstable, rollback_due)
};

struct AppState {
  std::string name;
  std::uint64_t current = 0, previous = 0;  // releases; 0: none
  std::uint64_t next_release = 1, next_serial = 1;
  std::string current_sha256;
  std::vector<Instance> instances;
  std::optional<Rollout> rollout;
  std::uint64_t published = 0;  // generation of the table that last changed for this app
  bool removed = false;         // no longer configured; forgotten when its last instance is gone
  milliseconds held_until{0};   // as Route's; 0: not held
  std::vector<std::string> awaits;  // apps that it is not started before; not empty: its instances are in backoff
  milliseconds start_by{0};         // then it is started all the same
  Watch watch;
  FLEET_FIELDS(AppState, name, current, previous, next_release, next_serial, current_sha256, instances,
               rollout, published, removed, held_until, awaits, start_by, watch)
};

// ---- events --------------------------------------------------------------------------------------------------------

struct Request {
  std::uint64_t deployment = 0;  // its id, never used before
  RolloutKind kind = RolloutKind::deploy;
  std::string url;            // deploy
  std::string sha256;         // deploy: what it must be, if that is known; rollback: that of the release
  std::uint64_t release = 0;  // rollback: which; 0: the previous one
  std::string requested_by;
  bool force = false;         // deploy: also of a lower version than the current
  std::string known_etag = {};  // deploy: not, if its source still has this, as when known_release was deployed from it
  std::uint64_t known_release = 0;
  bool remote = false;        // deploy: asked for from another machine
  bool anew = false;          // deploy: also of the build that is current, whose files are gone
};
struct Fetched { std::string sha256; bool unchanged = false; };  // unchanged: the source has the known etag
struct FetchFailed { ErrorKind kind = ErrorKind::fetch; std::string error; };
struct Started { std::string instance; std::uint32_t pid = 0; std::uint64_t start_time = 0; };
struct Probed { std::string instance; ProbeOutcome outcome = ProbeOutcome::failed; std::string detail; };
struct NotifiedReady { std::string instance; };
// how: "exited with code 3", "was killed by SIGSEGV", "could not be started: ...". exit_code: 128 + signal for a signal.
struct Ended { std::string instance, how; std::optional<std::int32_t> exit_code, signal; };
struct Acked { std::uint64_t generation = 0; };           // every live worker routes by this table or a later one
struct Drained { std::string instance; };                 // no live worker has anything left on it
struct Abort { std::string requested_by; };
struct Hold { milliseconds until{0}; std::string requested_by; };  // its requests wait until then, or Unhold
struct Unhold { std::string why; };                       // "asked for by uid 0"
struct Configured {};  // the configuration given in Context has changed
struct Removed {};     // the app is no longer configured
// A fleetd has come back: these run (id -> its Started), the others do not. `boot`: the machine was restarted, and these
// apps are to be ready before this one is started.
struct Recovered { std::map<std::string, Started> running; bool boot = false; std::vector<std::string> awaits = {}; };
struct Awaits { std::vector<std::string> apps; };  // of those that it awaited these are still not ready
struct CannotRollBack { std::string why; };        // as due_rollback() says
struct Tick {};

using Event = std::variant<Request, Fetched, FetchFailed, Started, Probed, NotifiedReady, Ended, Acked, Drained, Abort,
                           Hold, Unhold, Configured, Removed, Recovered, Awaits, CannotRollBack,
                           Tick>;

// ---- actions -------------------------------------------------------------------------------------------------------

struct Fetch { std::string url, sha256; std::uint64_t release = 0; bool force = false; std::string known_etag = {}; bool remote = false; };
struct CancelFetch {};
struct DiscardRelease { std::uint64_t release = 0; };  // fetched, but not to be kept
struct KeepRelease { std::uint64_t release = 0; };     // fetched and new: on record from now on
struct Start { std::string instance; };
struct Probe { std::string instance; };
struct Stop { std::string instance; };                 // the configured signal, then SIGKILL to the tree; a hook: that at once
struct Forget { std::string instance; };               // its process, a hook's too, is gone and on record
// Begins the command of a hook, told of by Started and Ended as an instance is. `about`: instances whose address it gets.
struct RunHook { std::string id; Hook hook = Hook::pre_start; std::uint64_t release = 0; std::vector<std::string> about; };
struct DropHook { std::string id; };                   // kills it, and nothing more is to be told of it
struct Publish { std::uint64_t generation = 0; };
enum class ReportKind : std::uint8_t {
  deployment_started, deployment_phase, instance_started, instance_ready, instance_unhealthy, instance_exited,
  instance_stopped, hold_started, hold_ended, app_crash_loop, app_waits, app_starts_anyway, deployment_unstable,
  hook_started, hook_finished,
};
FLEET_NAMES(ReportKind, "deployment.started", "deployment.phase", "instance.started", "instance.ready",
            "instance.unhealthy", "instance.exited", "instance.stopped", "hold.started", "hold.ended",
            "app.crash_loop", "app.waits", "app.starts_anyway", "deployment.unstable", "hook.started", "hook.finished")
// Something that operators want to see happen. The facts that do not apply are absent.
struct Report {
  ReportKind kind = ReportKind::deployment_started;
  std::string message;           // one line
  std::uint64_t deployment = 0;  // 0: none
  std::optional<std::string> instance;
  std::optional<std::uint64_t> release;
  std::optional<std::uint32_t> pid, port;
  std::optional<RolloutPhase> phase;
  std::optional<std::int32_t> exit_code, signal;
  std::optional<Hook> hook;
};
struct Finish { Rollout rollout; };                    // the rollout is over
struct Blame { Watch watch; };                         // a crash counts against this deployment

using Action =
    std::variant<Fetch, CancelFetch, DiscardRelease, KeepRelease, Start, Probe, Stop, Forget, Publish, Report, Finish,
                 Blame, RunHook, DropHook>;

// ---- the machine ---------------------------------------------------------------------------------------------------

struct Context {
  const AppConfig& config;
  milliseconds now{0};
  std::uint64_t next_generation = 1;  // what a Publish in this step is numbered
  // `config` with what the builds of these releases say themselves; null: no build says anything.
  const std::map<std::uint64_t, AppConfig>* releases = nullptr;

  const AppConfig& of(std::uint64_t release) const {
    const auto found = releases ? releases->find(release) : std::map<std::uint64_t, AppConfig>::const_iterator();
    return releases && found != releases->end() ? found->second : config;
  }
};

struct Step {
  AppState state;
  std::vector<Action> actions;
  std::optional<milliseconds> wake_at;  // feed Tick then, if nothing came before
};

Step step(AppState state, const Event& event, const Context& context);

struct Probing {
  std::vector<std::string> probe;       // instances
  std::optional<milliseconds> wake_at;  // as Step's
};

// What step() would do, in place, where that is only to probe: an app at rest whose instance in rotation has passed a
// probe, or is due for one. Nothing of it is on record. Otherwise none, and the state is untouched. To copy and compare
// the state for each of hundreds of probes a second costs more than they do.
std::optional<Probing> probe_only(AppState& state, const Event& event, const Context& context);

// Whether a request may be given to step() now: `busy` while a rollout runs (but a rollback may overtake a deploy
// whose old instances still run), `not_found` for a release there is none of, `usage` otherwise. `kept`: whether a
// release directory is there.
Result<> admit(const AppState& state, const Request& request, const std::function<bool(std::uint64_t)>& kept);

// The digest of the build that the release is; empty: it is neither the current one nor on its way to be.
std::string build_of(const AppState& state, std::uint64_t release);

// Instances of the release that are draining.
std::uint32_t draining_of(const AppState& state, std::uint64_t release);

// Whether a rollback may point back to the instances that the rollout under way has left: all of them must still
// drain, for some of them could not carry what all of them did.
bool overtakes(const AppState& state, const Request& request);

// The rollback that an unstable deployment calls for, if one is due.
std::optional<Request> due_rollback(const AppState& state);

// Whether an abort may be given to step() now.
Result<> admit_abort(const AppState& state);

// Whether those that depend on this app need not wait for it: it has an instance in rotation, or nothing to run.
bool lets_others_start(const AppState& state);

// In what order apps are stopped: those of one row together, each app before those it depends on. Apps that depend on
// each other, which the configuration refuses, are in the last row.
std::vector<std::vector<std::string>> stop_order(const std::vector<AppConfig>& apps);

// The app's part of the routing table.
Route route_of(const AppState& state, const AppConfig& config);

// Every instance that serves, or is meant to, is ready or cannot be for now: what a starting fleetd waits for.
bool is_settled(const AppState& state);

// "starting", "serving", "degraded" (some instances out of rotation), "down" (all are), "idle" (nothing deployed).
std::string_view health_of(const AppState& state);

}  // namespace fleet::plan
