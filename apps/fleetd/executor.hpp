// Drives the planner: gives it events, saves the state it returns, then does what it says. The only place that does
// both, and the only writer of the apps' states.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/backend.hpp"
#include "clock.hpp"
#include "core/config.hpp"
#include "fetcher.hpp"
#include "instances.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "plan/app.hpp"
#include "plan/retention.hpp"
#include "probes.hpp"
#include "store.hpp"
#include "workers.hpp"

namespace fleet {

// A shim that a starting fleetd has found, by the id of what it runs.
struct FoundShim {
  Shim shim;
  wire::ShimStatus status;
};

// What has happened since a former fleetd ended.
enum class Since {
  away,        // some of what it ran is still there
  standstill,  // nothing is, and its pids are still theirs or nobody's
  reboot,      // nothing can be, and its pids may be anybody's
};

class Executor {
 public:
  struct World {
    net::asio::io_context& io;
    net::TaskGroup& tasks;
    const Paths& paths;
    Store& store;
    Workers& workers;
    api::EventLog& events;
  };

  // Reads the saved states. Errors: the store's.
  static Result<std::unique_ptr<Executor>> load(World world, const Config& config);

  // For when the store is new though there is what fleetd ran: states from processes and folders, in place of records.
  // `generation`: the highest that a worker has. Before recover(). Errors: the store's.
  Result<> rebuild(const std::map<std::string, FoundShim>& found, std::uint64_t generation);

  // Hands every app what was found running, so that it finishes or undoes what was under way. Takes its own out of
  // `found`; what is left belongs to nothing on record.
  void recover(std::map<std::string, FoundShim>& found, Since since);
  void sweep(const std::string& id, FoundShim found);

  // busy: text says who, since when and how to go on.
  Result<api::DeploymentId> request(const std::string& app, plan::Request request);
  // Adds what is known of the last deploy from the request's URL that succeeded, if there was one.
  Result<> know_source(const std::string& app, plan::Request& request);
  Result<> abort(api::DeploymentId id, const std::string& requested_by);
  // What deploying it would change; the build is fetched for that, and removed. busy: one of the app is under way.
  net::Task<Result<api::PlanView>> plan_deploy(std::string app, plan::Request wanted);
  // Until when the app's requests wait on purpose; 0 ms: they go on. Answers when every worker does so.
  net::Task<Result<>> hold(std::string app, milliseconds at_most, std::string requested_by);
  Result<> configure(const Config& config);

  // Until every app serves as well as it can for now, by way of every worker.
  net::Task<> wait_settled();

  // Stops all instances; nothing is planned any more. What is on record stays: the next fleetd starts it again.
  net::Task<> stop_all();

  struct App;
  // Those that are configured, and others until the last of their instances has ended.
  std::vector<const App*> apps() const;
  const App* app(const std::string& name) const;
  std::string problem_of(const App& app) const;  // why nothing of it can be started; empty: it can be
  std::uint64_t generation() const { return generation_; }
  const Config& config() const { return config_; }
  RouteTable table() const;
  Result<api::DeploymentView> deployment(api::DeploymentId id);
  Result<std::vector<Release>> releases(const std::string& app) { return world_.store.releases(app); }
  // As the API's Backend has them.
  Result<api::ReleasesView> show_releases(const std::string& app);
  Result<api::ReleaseView> pin(const std::string& app, std::uint64_t release, bool pinned, const std::string& requested_by);
  Result<api::GcView> collect(const std::optional<std::string>& app, bool dry_run);
  std::string since(milliseconds planner_time);  // as wall time
  std::string at(milliseconds machine_time);     // of the monotonic clock, likewise

  void acked(std::uint64_t generation);
  void drained(const std::string& target);
  void report(api::EventView event);  // keeps and saves an event; of now, if it bears no time

 private:
  explicit Executor(World world);
  // Of the clock that all processes of the machine share, until it is booted again.
  static milliseconds machine_time();
  void feed(const std::string& app, plan::Event event);
  void work();
  bool follow_up();
  Result<plan::Request> admitted(App& app, plan::Request request);
  std::vector<std::string> unready(const std::vector<std::string>& apps) const;
  Result<> process(App& app, const plan::Event& event);
  void wake_by(App& app, std::optional<milliseconds> at);
  Result<> save(App& app, const plan::Step& step, std::uint64_t generation);
  void perform(App& app, const plan::Action& action);
  void do_action(App& app, const plan::Fetch& fetch);
  // Where the operator's settings or those of a build have changed.
  static void merge(App& app);
  static const AppConfig& config_of(const App& app, std::uint64_t release);
  Result<> take_app_file(App& app, std::uint64_t release);  // of one that was just fetched
  std::string version_of(const App& app, std::uint64_t release);  // by its manifest; empty: not told
  void take_hook(App& app, std::map<std::string, FoundShim>& found, plan::Recovered& recovered,
                 std::vector<std::pair<std::string, FoundShim>>& adopted);
  Result<> save_releases(const App& app, const plan::Step& step);
  Result<> note_deployed(const App& app, const plan::Rollout& rollout);
  void start(App& app, const plan::Instance& instance);
  void stop(const App& app, const std::string& instance);
  Result<> make_folders(const AppConfig& app) const;
  void make_place(App& app);
  std::uint64_t cut_off(const plan::AppState& before, const plan::AppState& next) const;
  DeploymentRecord record_of(const App& app, const plan::Rollout& rollout, const plan::AppState& next) const;
  DeploymentRecord finished(const App& app, const plan::Rollout& rollout, const plan::AppState& next) const;
  Result<> count_against(const plan::Watch& watch, std::optional<DeploymentRecord>& running,
                         std::vector<DeploymentRecord>& over);
  void remove_stale_files() const;
  void give_addresses(const App& app, plan::AppState& state);
  void note_current(const plan::AppState& before, const plan::AppState& now) const;
  net::Task<> tick();
  net::Task<> begin_receipt(std::string app, api::DeploymentId deployment);
  Result<wire::FetchJob> job_for(const App& app, const plan::Fetch& fetch);
  Result<ProbeTarget> probe_target(const AppConfig& config, const plan::Instance& instance) const;
  void begin_probe(const App& app, const plan::Instance& instance);
  void hang_up(const App& app);
  void discard_release(const std::string& app, std::uint64_t number);
  std::vector<wire::KnownBuild> known_builds(const App& app);  // that it may have without fetching them
  Result<std::vector<plan::Expendable>> expendable(const App& app);
  void retain(App& app);  // removes what need not be kept
  net::Task<> retain_by_age();
  std::vector<ReleaseAssets> assets_of(const App& app) const;
  void prune_instance_logs(const App& app) const;
  App* find(const std::string& name);
  bool release_kept(const std::string& app, std::uint64_t release) const;
  bool lacks_files(const App& app) const;

  World world_;
  Config config_;
  AttendedClock clock_{milliseconds(0)};
  Instances instances_;
  Probes probes_;
  std::map<std::string, std::unique_ptr<App>> apps_;
  std::deque<std::pair<std::string, plan::Event>> queue_;
  bool working_ = false, closing_ = false;
  bool recovered_ = false;  // before that nothing may be published
  std::optional<net::Timer::time_point> retry_at_;  // when the last attempt to save has failed
  bool state_changed_ = true;  // since follow_up() looked
  std::chrono::steady_clock::time_point look_again_{};
  std::uint64_t generation_ = 0, next_deployment_ = 1;
  milliseconds looks_at_{0};  // tick(), of the planner's time
  net::Timer wake_, settled_;
};

struct Executor::App {
  AppConfig config;
  plan::AppState state;
  std::map<api::DeploymentId, DeploymentRecord> running;
  std::unique_ptr<Fetcher> fetcher;
  wire::FetchDone fetched;  // the last one
  std::unique_ptr<Fetcher> planner;  // while a plan is made
  std::set<std::uint64_t> retained;  // releases, as on record
  std::map<std::uint64_t, BuildConfig> builds;  // what releases say of themselves, where they do
  std::map<std::uint64_t, AppConfig> merged;    // `config` with that
  std::optional<milliseconds> wake_at;
  std::string health;   // as last reported
  std::string problem;  // with its place: see problem_of()
  bool configured = true;
};

}  // namespace fleet
