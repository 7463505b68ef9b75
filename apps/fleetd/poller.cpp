#include "poller.hpp"

#include <spdlog/spdlog.h>

#include "core/json.hpp"
#include "fetch_job.hpp"
#include "poll_pace.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr auto kRest = 250ms, kIdleRest = 1000ms;  // where no app is to be polled
constexpr std::string_view kKey = "poll:";

// A pointer by what it says, a build by its etag: it may be served anew with the same contents.
std::string build_of(const wire::FetchDone& found) {
  return found.url.empty() ? found.etag : found.url + ' ' + found.sha256 + ' ' + found.version;
}

}  // namespace

net::Task<> Poller::run(Executor& executor) {
  net::Timer timer(io_);
  for (;;) {
    timer.expires_after(pace_.empty() ? kIdleRest : kRest);
    auto [error] = co_await timer.async_wait(net::use_result);
    if (error) co_return;
    look_where_due(executor);
  }
}

void Poller::look_where_due(Executor& executor) {
  const auto now = Clock::now();
  pace_.clear();
  for (const auto* app : executor.apps()) {
    if (!app->configured || app->config.fetch.poll.count() == 0) continue;
    pace_[app->config.name] = app->config.fetch.poll;
    auto& one = watched(app->config);
    if (one.looking || one.due > now || app->state.rollout) continue;
    forget_failed_fetch(executor, one);
    look(executor, app->config, one);
  }
  std::erase_if(apps_, [&](const auto& entry) { return !pace_.contains(entry.first); });
}

Poller::Watched& Poller::watched(const AppConfig& app) {
  auto& one = apps_[app.name];
  if (!one.fetcher) {
    one.fetcher = std::make_unique<Fetcher>(io_, tasks_, paths_);
    const auto kept = store_.get(std::string(kKey) + app.name);
    if (kept) (void)json::read(json::Json::parse(*kept, nullptr, false), one.seen);
  }
  if (one.seen.source != app.fetch.source) {
    one.seen = {app.fetch.source, "", ""};
    one.due = {};
    one.failures = 0;
  }
  return one;
}

// A build that could not be fetched is not yet there, perhaps; one that did not become healthy never will.
void Poller::forget_failed_fetch(Executor& executor, Watched& app) {
  if (app.deployment == 0) return;
  const auto view = executor.deployment(app.deployment);
  app.deployment = 0;
  if (!view || !view->error || view->error->kind != ErrorKind::fetch) return;
  ++app.failures;
  app.seen.etag.clear();
  app.seen.build.clear();
}

void Poller::look(Executor& executor, const AppConfig& app, Watched& one) {
  auto job = fetch_job(app.fetch, app.fetch.source);
  if (!job) return put_off(app.name, one, job.error().text);
  if (auto confined = confine_fetch(executor.config(), false, *job); !confined) return put_off(app.name, one, confined.error().text);
  job->look_only = true;
  job->known_etag = one.seen.build.empty() ? "" : one.seen.etag;
  one.looking = true;
  one.fetcher->start(
      std::move(*job), [](const wire::FetchProgress&) {},
      [this, &executor, name = app.name](Result<wire::FetchDone> found) { take(executor, name, std::move(found)); });
}

void Poller::take(Executor& executor, const std::string& app, Result<wire::FetchDone> found) {
  const auto at = apps_.find(app);
  if (at == apps_.end()) return;
  auto& one = at->second;
  one.looking = false;
  if (!found) return put_off(app, one, found.error().text);
  const auto build = build_of(*found);
  if (!found->unchanged && build.empty()) {
    return put_off(app, one, "the server tells neither an ETag nor when the build was changed, so it cannot be polled");
  }
  if (!found->unchanged && build != one.seen.build) return deploy(executor, app, one, *found);
  one.failures = 0;
  if (!found->unchanged && found->etag != one.seen.etag) {
    one.seen.etag = found->etag;
    save(app, one);
  }
  put_off(app, one, "");
}

void Poller::deploy(Executor& executor, const std::string& app, Watched& one, const wire::FetchDone& found) {
  plan::Request request;
  request.kind = plan::RolloutKind::deploy;
  request.url = one.seen.source;
  request.requested_by = "poll";
  const auto asked = executor.request(app, std::move(request));
  if (!asked) return put_off(app, one, asked.error().text);
  one.deployment = *asked;
  one.seen.etag = found.etag;
  one.seen.build = build_of(found);
  save(app, one);
  put_off(app, one, "");
}

// Until it is due again. `why`: it could not be looked at; said once for each spell of failures.
void Poller::put_off(const std::string& app, Watched& one, const std::string& why) {
  if (!why.empty() && one.failures++ == 0) spdlog::warn("the source cannot be polled app={}: {}", app, why);
  const auto random = std::uniform_real_distribution<double>(0, 1)(random_);
  const auto pace = pace_.find(app);
  one.due = Clock::now() + next_look(pace == pace_.end() ? milliseconds(1h) : pace->second, one.failures, random);
}

void Poller::save(const std::string& app, const Watched& one) {
  const auto saved = store_.save([&] { return store_.put(std::string(kKey) + app, json::write(one.seen).dump()); });
  if (!saved) spdlog::warn("what was polled is not on record app={}: {}", app, saved.error().text);
}

}  // namespace fleet
