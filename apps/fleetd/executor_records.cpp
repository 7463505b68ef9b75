// Deployments on record, and their receipts.
#include <openssl/sha.h>

#include <algorithm>

#include "api/public_url.hpp"
#include "executor.hpp"
#include "logs.hpp"
#include "views.hpp"

namespace fleet {
namespace {

constexpr std::size_t kFailureLines = 50;  // of a failed candidate's log
constexpr std::size_t kHookLines = 20;     // of each hook's output

Totals minus(const Totals& now, const api::Receipt& then) {
  const auto less = [](std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; };
  return {less(now.requests, then.requests), less(now.failed, then.failed),
          less(now.client_aborted, then.client_aborted), less(now.retried, then.retried), less(now.held, then.held)};
}

std::string sha256(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string hex;
  for (const unsigned byte : digest) hex += "0123456789abcdef"[byte >> 4], hex += "0123456789abcdef"[byte & 15];
  return hex;
}

void put(api::Receipt& receipt, const Totals& totals) {
  receipt.requests = totals.requests;
  receipt.failed = totals.failed;
  receipt.client_aborted = totals.client_aborted;
  receipt.retried = totals.retried;
  receipt.held = totals.held;
}

}  // namespace

// The workers tell their figures each second: what a receipt counts from must be of the moment.
net::Task<> Executor::begin_receipt(std::string name, api::DeploymentId deployment) {
  co_await world_.workers.refresh(milliseconds(200));
  App* app = find(name);
  if (!app) co_return;
  const auto running = app->running.find(deployment);
  if (running == app->running.end()) co_return;
  put(running->second.baseline, world_.workers.totals(name));
}

// What is still in flight at the drain deadline will be cut.
std::uint64_t Executor::cut_off(const plan::AppState& before, const plan::AppState& next) const {
  std::uint64_t cut = 0;
  for (const auto& instance : next.instances) {
    const auto was = std::ranges::find(before.instances, instance.id, &plan::Instance::id);
    if (instance.phase == plan::InstancePhase::evicting && was != before.instances.end() &&
        was->phase == plan::InstancePhase::draining) {
      cut += world_.workers.in_flight(instance.id);
    }
  }
  return cut;
}

// The record of a rollout as it will stand with the `next` state; one that is new begins where the counters are now.
DeploymentRecord Executor::record_of(const App& app, const plan::Rollout& rollout, const plan::AppState& next) const {
  DeploymentRecord record;
  if (const auto known = app.running.find(rollout.deployment); known != app.running.end()) {
    record = known->second;
  } else {
    record.view.id = rollout.deployment;
    record.view.app = app.state.name;
    record.view.started_at = wall_time();
    put(record.baseline, world_.workers.totals(app.state.name));
  }
  if (app.state.rollout && app.state.rollout->deployment == rollout.deployment) {
    record.baseline.cut += cut_off(app.state, next);
  }
  const auto shown = std::move(record.view.hooks);
  show_rollout(record.view, rollout);
  for (auto& hook : record.view.hooks) {
    const auto before = std::ranges::find(shown, hook.id, &api::HookView::id);
    const bool is_over = hook.state == api::HookState::passed || hook.state == api::HookState::failed;
    if (before != shown.end() && before->state == hook.state) hook.log_tail = before->log_tail;
    else if (is_over) hook.log_tail = last_lines(world_.paths, app.state.name, hook.id, kHookLines);
  }
  if (rollout.kind == plan::RolloutKind::deploy && rollout.sha256 == app.fetched.sha256) {
    record.view.version = app.fetched.version;
    record.view.signed_by = app.fetched.signed_by;
  }
  return record;
}

DeploymentRecord Executor::finished(const App& app, const plan::Rollout& rollout, const plan::AppState& next) const {
  auto record = record_of(app, rollout, next);
  auto& view = record.view;
  view.finished_at = wall_time();
  view.progress.reset();
  const bool switched = rollout.outcome == plan::Outcome::changed || rollout.outcome == plan::Outcome::rolled_back;
  if (switched) {
    auto& receipt = view.receipt.emplace();
    put(receipt, minus(world_.workers.totals(app.state.name), record.baseline));
    receipt.cut = record.baseline.cut;
    for (const auto& phase : rollout.phases) {
      if (phase.phase == plan::RolloutPhase::drain) receipt.longest_drain_ms = phase.took;
    }
  }
  if (view.error && !rollout.failed_instance.empty()) {
    view.error->log_tail = last_lines(world_.paths, app.state.name, rollout.failed_instance, kFailureLines);
  }
  return record;
}

Result<> Executor::count_against(const plan::Watch& watch, std::optional<DeploymentRecord>& running,
                                 std::vector<DeploymentRecord>& over) {
  DeploymentRecord* record = running && running->view.id == watch.deployment ? &*running : nullptr;
  for (auto& one : over) {
    if (one.view.id == watch.deployment) record = &one;
  }
  if (!record) {
    TRY(auto kept, world_.store.deployment(watch.deployment));
    if (!kept) return {};
    record = &over.emplace_back(std::move(*kept));
  }
  record->view.crashes = watch.crashes;
  record->view.unstable = watch.unstable;
  return {};
}

Result<> Executor::save_releases(const App& app, const plan::Step& step) {
  for (const auto& action : step.actions) {
    if (const auto* keep = std::get_if<plan::KeepRelease>(&action)) {
      Release release;
      release.app = app.state.name;
      release.number = keep->release;
      release.url = step.state.rollout ? api::public_url(step.state.rollout->url) : "";
      release.source = step.state.rollout ? sha256(step.state.rollout->url) : "";
      release.sha256 = app.fetched.sha256;
      release.format = app.fetched.format;
      release.bytes = app.fetched.unpacked_bytes;
      release.created_at = wall_time();
      release.etag = app.fetched.etag;
      release.version = app.fetched.version;
      release.signed_by = app.fetched.signed_by;
      if (const auto build = app.builds.find(keep->release); build != app.builds.end()) release.build = build->second;
      release.layout = app.fetched.layout;
      release.trusted_by = app.fetched.trusted_by;
      release.entries = app.fetched.entries;
      TRYV(world_.store.put_release(release));
    } else if (const auto* finish = std::get_if<plan::Finish>(&action)) {
      TRYV(note_deployed(app, finish->rollout));
    }
  }
  return {};
}

// A deploy that has come to its end, or that found there what runs already: its source need not be fetched again.
Result<> Executor::note_deployed(const App& app, const plan::Rollout& rollout) {
  if (rollout.kind != plan::RolloutKind::deploy) return {};
  const bool same = rollout.outcome == plan::Outcome::already_current && !app.fetched.etag.empty();
  if (rollout.outcome != plan::Outcome::changed && !same) return {};
  TRY(auto releases, world_.store.releases(app.state.name));
  const auto found = std::ranges::find(releases, rollout.release, &Release::number);
  if (found == releases.end()) return {};
  if (same) found->source = sha256(rollout.url), found->etag = app.fetched.etag;
  found->deployed = true;
  return world_.store.put_release(*found);
}

Result<> Executor::know_source(const std::string& name, plan::Request& request) {
  TRY(const auto releases, world_.store.releases(name));
  const auto source = sha256(request.url);
  for (const auto& release : releases) {  // newest first
    if (!release.deployed || release.source != source) continue;
    if (release.etag.empty() || (!request.sha256.empty() && request.sha256 != release.sha256)) return {};
    request.known_etag = release.etag;
    request.known_release = release.number;
    return {};
  }
  return {};
}

Result<api::DeploymentView> Executor::deployment(api::DeploymentId id) {
  for (const auto& [name, app] : apps_) {
    const auto found = app->running.find(id);
    if (found != app->running.end()) return found->second.view;
  }
  TRY(const auto record, world_.store.deployment(id));
  if (!record) return fail(ErrorKind::not_found, "there is no deployment " + std::to_string(id));
  return record->view;
}

}  // namespace fleet
