// Releases that are kept, and those that go.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/wall_time.hpp"
#include "executor.hpp"
#include "logs.hpp"
#include "plan/retention.hpp"
#include "release_files.hpp"

namespace fleet {
namespace {

constexpr std::size_t kAssetReleases = 8;  // that a 404 is looked up in, per app
constexpr std::size_t kLogsSpared = 20;  // of instances that are gone, per app

milliseconds age_of(const Release& release) {
  const auto now = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return now - parse_time(release.created_at).value_or(now);
}

std::set<std::uint64_t> running_in(const plan::AppState& state) {
  std::set<std::uint64_t> running;
  for (const auto& instance : state.instances) running.insert(instance.release);
  return running;
}

// What runs, what may be gone back to, and what is on its way to run.
std::set<std::uint64_t> needed_by(const plan::AppState& state) {
  auto needed = running_in(state);
  needed.insert({state.current, state.previous, state.watch.previous});
  if (state.rollout) needed.insert({state.rollout->release, state.rollout->previous});
  return needed;
}

}  // namespace

void Executor::discard_release(const std::string& app, std::uint64_t number) {
  if (auto removed = remove_release(world_.paths.release(app, number)); !removed) {
    spdlog::warn("cannot remove release app={} release=v{}: {}", app, number, removed.error().text);
  }
  if (auto* known = find(app)) known->retained.erase(number);  // no table need be told: what is gone is not found
  auto releases = world_.store.releases(app);
  if (!releases) return;
  for (auto& release : *releases) {
    if (release.number != number) continue;
    release.retained = false;
    if (auto saved = world_.store.put_release(release); !saved) spdlog::warn("{}", saved.error().text);
  }
}

Result<std::vector<plan::Expendable>> Executor::expendable(const App& app) {
  TRY(const auto releases, world_.store.releases(app.state.name));
  const auto needed = needed_by(app.state);
  std::vector<plan::KeptRelease> kept;
  for (const auto& release : releases) {
    if (!release.retained) continue;
    kept.push_back({release.number, release.bytes, age_of(release), needed.contains(release.number), release.pinned});
  }
  return plan::expendable(kept, app.config.keep);
}

void Executor::retain(App& app) {
  const auto going = expendable(app);
  if (!going) return;
  for (const auto& release : *going) {
    spdlog::info("release removed app={} release=v{} why={}", app.state.name, release.number, release.why);
    discard_release(app.state.name, release.number);
  }
}

// Also of those that came after the current one: a rollback has left pages of theirs in browsers.
std::vector<ReleaseAssets> Executor::assets_of(const App& app) const {
  std::vector<ReleaseAssets> all;
  for (auto number = app.retained.rbegin(); number != app.retained.rend() && all.size() < kAssetReleases; ++number) {
    const auto& folders = config_of(app, *number).assets;
    if (*number == app.state.current || folders.empty()) continue;
    all.push_back({*number, world_.paths.release(app.state.name, *number), folders});
  }
  return all;
}

// Of all apps; where this one wants signatures, only what one of its own keys has signed.
std::vector<wire::KnownBuild> Executor::known_builds(const App& app) {
  std::vector<wire::KnownBuild> known;
  const auto& keys = app.config.fetch.trusted_keys;
  for (const auto& [name, other] : apps_) {
    const auto releases = world_.store.releases(name);
    if (!releases) continue;
    for (const auto& release : *releases) {
      const bool trusted = keys.empty() || std::ranges::find(keys, release.trusted_by) != keys.end();
      if (!release.retained || release.layout.empty() || !trusted || !release_kept(name, release.number)) continue;
      known.push_back({release.sha256, world_.paths.release(name, release.number), release.format, release.layout,
                       release.version, release.signed_by, release.trusted_by, release.bytes, release.entries});
    }
  }
  return known;
}

void Executor::prune_instance_logs(const App& app) const {
  std::vector<std::string> running;
  for (const auto& instance : app.state.instances) running.push_back(instance.id);
  prune_logs(world_.paths, app.state.name, running, kLogsSpared);
}

net::Task<> Executor::retain_by_age() {
  net::Timer timer(world_.io);
  while (!closing_) {
    timer.expires_after(std::chrono::minutes(10));
    auto [error] = co_await timer.async_wait(net::use_result);
    if (error) co_return;
    for (auto& [name, app] : apps_) {
      if (app->config.keep.age.count() > 0) retain(*app);
    }
  }
}

Result<api::ReleasesView> Executor::show_releases(const std::string& name) {
  const auto* app = this->app(name);
  if (!app) return fail(ErrorKind::not_found, "no app \"" + name + "\" is configured");
  TRY(const auto releases, world_.store.releases(name));
  const auto running = running_in(app->state);
  api::ReleasesView view;
  view.app = name;
  for (const auto& release : releases) {
    api::ReleaseView shown;
    shown.release = release.number;
    shown.url = release.url;
    shown.sha256 = release.sha256;
    shown.bytes = release.bytes;
    shown.created_at = release.created_at;
    shown.current = release.number == app->state.current;
    shown.retained = release.retained && release_kept(name, release.number);
    shown.version = release.version;
    shown.signed_by = release.signed_by;
    shown.pinned = release.pinned;
    shown.state = !shown.retained                            ? api::ReleaseState::removed
                  : shown.current                            ? api::ReleaseState::current
                  : running.contains(release.number)         ? api::ReleaseState::running
                  : release.number == app->state.previous    ? api::ReleaseState::previous
                                                             : api::ReleaseState::kept;
    view.releases.push_back(std::move(shown));
  }
  return view;
}

Result<api::ReleaseView> Executor::pin(const std::string& name, std::uint64_t number, bool pinned,
                                       const std::string& requested_by) {
  const auto* known = app(name);
  if (!known) return fail(ErrorKind::not_found, "no app \"" + name + "\" is configured");
  TRY(auto releases, world_.store.releases(name));
  const auto found = std::ranges::find(releases, number, &Release::number);
  if (found == releases.end()) {
    return fail(ErrorKind::not_found, name + " has no release v" + std::to_string(number));
  }
  if (pinned && (!found->retained || !release_kept(name, number))) {
    return fail(ErrorKind::not_found, "v" + std::to_string(number) + " of " + name + " cannot be pinned: its files are gone");
  }
  found->pinned = pinned;
  TRYV(world_.store.put_release(*found));
  spdlog::info("release {} app={} release=v{} by=\"{}\"", pinned ? "pinned" : "unpinned", name, number, requested_by);
  TRY(const auto view, show_releases(name));
  return *std::ranges::find(view.releases, number, &api::ReleaseView::release);
}

Result<api::GcView> Executor::collect(const std::optional<std::string>& only, bool dry_run) {
  if (only && !app(*only)) return fail(ErrorKind::not_found, "no app \"" + *only + "\" is configured");
  api::GcView view;
  view.dry_run = dry_run;
  Reclaim reclaim;
  const auto note = [&](const std::string& app, std::optional<std::uint64_t> release, const std::string& folder,
                        std::string why) {
    const auto bytes = reclaim.count(folder);
    view.removed.push_back({app, release, bytes, std::move(why)});
    view.bytes += bytes;
  };
  for (auto& [name, app] : apps_) {
    if (only && name != *only) continue;
    TRY(const auto going, expendable(*app));
    for (const auto& release : going) {
      if (release_kept(name, release.number)) note(name, release.number, world_.paths.release(name, release.number), release.why);
      if (!dry_run) discard_release(name, release.number);
    }
    for (const auto& folder : abandoned_in(world_.paths.app_releases(name))) {
      note(name, std::nullopt, folder, std::filesystem::path(folder).filename().string() + " was left by a fetch that was killed");
      if (!dry_run) TRYV(remove_release(folder));
    }
  }
  if (!dry_run) spdlog::info("garbage collected removed={} bytes={}", view.removed.size(), view.bytes);
  return view;
}

}  // namespace fleet
