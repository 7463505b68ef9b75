// The applications' processes, each under its shim: started, adopted, stopped, forgotten. What becomes of them is told
// to the planner as its events.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/config.hpp"
#include "net/task_group.hpp"
#include "paths.hpp"
#include "plan/app.hpp"
#include "shim.hpp"

namespace fleet {

// Everything a process of this instance is started with.
// Errors: no such user, or not one that this fleetd could become.
Result<Confinement> confinement_of(const RunConfig& run);
Result<wire::Launch> launch_of(const Paths& paths, const AppConfig& app, const plan::Instance& instance);
// The same for its health.command.
Result<wire::Launch> check_of(const Paths& paths, const AppConfig& app, const plan::Instance& instance);

// Notes on its record what it is going to be started with.
void note_setting(const Paths& paths, const AppConfig& app, plan::Instance& instance);

// What a hook is begun with: as an instance of `setting`'s release would be, with its port or socket where it has one.
struct HookSetting {
  std::string id;
  Hook hook = Hook::pre_start;
  plan::Instance setting;  // whose address it gets; id empty: nobody's
  std::uint64_t deployment = 0;
  std::string input;  // JSON
};
Result<wire::Launch> hook_launch_of(const Paths& paths, const AppConfig& app, const HookSetting& hook);

// Whether the process on record is there.
bool alive(const plan::Instance& instance);

class Instances {
 public:
  using Tell = std::function<void(const std::string& app, plan::Event)>;
  Instances(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, Tell tell)
      : io_(io), tasks_(tasks), paths_(paths), tell_(std::move(tell)), ended_(io) {
    ended_.expires_at(net::Timer::time_point::max());
  }

  void start(const std::string& app, const AppConfig& config, const plan::Instance& instance);

  // The command of a hook, of which is told as of an instance.
  void run_hook(const std::string& app, const AppConfig& config, const HookSetting& hook);

  // A former fleetd's hook whose shim was found.
  void adopt_hook(const std::string& app, const std::string& id, Shim shim, const wire::ShimStatus& status);

  // Kills it, and tells nothing of it any more.
  void drop(const std::string& id);

  // A former fleetd's instance whose shim was found. Its status is told from now on.
  void adopt(const std::string& app, const plan::Instance& instance, Shim shim, const wire::ShimStatus& status);

  // Likewise, but its shim is gone; it is alive().
  void adopt_orphan(const std::string& app, const plan::Instance& instance);

  // Whether others are to take the place of this app's instances, as one of them has lost its shim: it serves on, but
  // nobody reads its output. Not for a while after they were asked for.
  bool wants_successors(const std::string& app) const;
  void successors_asked_for(const std::string& app);

  void stop(const std::string& id, int signal, milliseconds grace);

  // Its end is on record: lets the shim go.
  void forget(const std::string& id);

  // Until no process of these apps is left: they were told to stop.
  net::Task<> wait_ended(std::set<std::string> apps);

  // A shim that belongs to nothing on record: stops what it runs, and it.
  void sweep(const std::string& id, Shim shim, const wire::ShimStatus& status);

 private:
  struct Session;
  void begin(Session session, const RunConfig& config, Result<wire::Launch> launch);
  net::Task<> run(std::shared_ptr<Session> session);
  bool take(Session& session, const wire::ShimStatus& status);
  static bool is_orphan(const Session& session);
  void clear_away(Session& session);
  net::Task<> attend(std::shared_ptr<Session> session);
  net::Task<> see_out(std::shared_ptr<Session> session, os::Fd pidfd);

  net::asio::io_context& io_;
  net::TaskGroup& tasks_;
  const Paths& paths_;
  Tell tell_;
  std::map<std::string, std::shared_ptr<Session>> sessions_;  // by instance id
  std::size_t orphans_ = 0;                                   // among them
  net::Timer ended_;                                          // cancelled when one has ended
};

}  // namespace fleet
