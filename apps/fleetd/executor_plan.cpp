// What a deploy would change, found out without one.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "api/public_url.hpp"
#include "app_file.hpp"
#include "executor.hpp"
#include "os/dirs.hpp"
#include "planned.hpp"
#include "release_files.hpp"
#include "secrets.hpp"

namespace fleet {
namespace {

// What was fetched is gone when this is.
class Looked {
 public:
  explicit Looked(std::string folder) : folder_(std::move(folder)) {}
  Looked(const Looked&) = delete;
  ~Looked() {
    if (auto removed = remove_release(folder_); !removed) spdlog::warn("{}", removed.error().text);
  }

 private:
  std::string folder_;
};

}  // namespace

net::Task<Result<api::PlanView>> Executor::plan_deploy(std::string name, plan::Request wanted) {
  App* app = find(name);
  if (!app || !app->configured) co_return fail(ErrorKind::not_found, "no app \"" + name + "\" is configured");
  if (closing_) co_return fail(ErrorKind::unreachable, "fleetd is shutting down");
  if (app->planner) co_return fail(ErrorKind::busy, "a plan of \"" + name + "\" is being made");
  CO_TRYV(os::make_dir(world_.paths.plans(), 0700));
  const plan::Fetch fetch{wanted.url, wanted.sha256, 0, wanted.force, "", wanted.remote};
  CO_TRY(auto job, job_for(*app, fetch));
  job.destination = world_.paths.plan(name);
  const Looked looked(job.destination);

  const auto answer = std::make_shared<std::optional<Result<wire::FetchDone>>>();
  const auto over = std::make_shared<net::Timer>(world_.io, net::Timer::time_point::max());
  Fetcher::Done done = [answer, over](Result<wire::FetchDone> result) {
    *answer = std::move(result);
    over->cancel();
  };
  Fetcher::Progress progress = [](const wire::FetchProgress&) {};
  app->planner = std::make_unique<Fetcher>(world_.io, world_.tasks, world_.paths);
  app->planner->start(std::move(job), progress, done);
  while (!*answer) (void)co_await over->async_wait(net::use_result);
  app = find(name);
  app->planner.reset();
  if (!**answer) co_return std::unexpected((*answer)->error());
  auto fetched = std::move(***answer);
  if (fetched.url.empty()) fetched.url = wanted.url;
  fetched.url = api::public_url(fetched.url);

  CO_TRY(const auto build, read_app_file(world_.paths.plan(name), app->config.listen));
  const auto then = merged(app->config, build);
  if (then.command.empty()) co_return fail(ErrorKind::verify, no_command(name));
  CO_TRY(const auto environment, environment_digest(world_.paths, then));
  CO_TRY(const auto releases, world_.store.releases(name));
  const auto current = std::ranges::find(releases, app->state.current, &Release::number);
  const Planned planned{app->state,
                        config_of(*app, app->state.current),
                        then,
                        current == releases.end() ? std::nullopt : std::optional(*current),
                        std::move(fetched),
                        environment,
                        lacks_files(*app)};
  co_return planned_view(planned);
}

}  // namespace fleet
